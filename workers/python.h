/*
 * Python.h, and the small helpers that every file here wants.
 *
 * The only header of the project that includes Python.h.  All of it needs the
 * GIL.
 */
#ifndef FR_WORKERS_PYTHON_H
#define FR_WORKERS_PYTHON_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * The exception that is set, normalized, with its traceback: a new reference,
 * or NULL when none is.  Clears it.
 */
static inline PyObject *fr_exc_take(void)
{
#if PY_VERSION_HEX >= 0x030c0000
	return PyErr_GetRaisedException();
#else
	PyObject *type, *value, *tb;
	PyErr_Fetch(&type, &value, &tb);
	if (!type)
		return NULL;
	PyErr_NormalizeException(&type, &value, &tb);
	if (tb)
		PyException_SetTraceback(value, tb);
	Py_XDECREF(tb);
	Py_DECREF(type);
	return value;
#endif
}

/* Sets exc as the exception; takes the reference. */
static inline void fr_exc_set(PyObject *exc)
{
#if PY_VERSION_HEX >= 0x030c0000
	PyErr_SetRaisedException(exc);
#else
	PyErr_Restore(Py_NewRef(Py_TYPE(exc)), exc, PyException_GetTraceback(exc));
#endif
}

/* Sets *slot to value (a reference that is taken), releasing what was there. */
static inline void fr_set(PyObject **slot, PyObject *value)
{
	PyObject *old = *slot;
	*slot = value;
	Py_XDECREF(old);
}

/* A bytes object that str's UTF-8 is borrowed from must live; ASCII needs no copy. */
static inline PyObject *fr_text(const char *p, size_t len)
{
	return PyUnicode_DecodeUTF8(p, (Py_ssize_t)len, "replace");
}

#endif
