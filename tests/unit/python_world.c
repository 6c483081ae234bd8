#include "config.h"

#include "tests/unit/python_world.h"

#include <stdio.h>
#include <string.h>

/* LeakSanitizer asks for it.  CPython keeps some memory when it ends; ours does not come from there. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpython";
}

static PyObject *names;

int python_start(void **state)
{
	PyStatus status;
	PyConfig config;

	(void)state;
	PyConfig_InitIsolatedConfig(&config);
	/* The interpreter that this build is for, not the first on PATH. */
	status = PyConfig_SetBytesString(&config, &config.program_name, FR_PYTHON);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (PyStatus_Exception(status))
		fprintf(stderr, "Python can't be started: %s\n", status.err_msg);
	return PyStatus_Exception(status);
}

int python_stop(void **state)
{
	(void)state;
	return Py_FinalizeEx();
}

int python_names(void **state)
{
	(void)state;
	names = PyDict_New();
	return names && PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0 ? 0
	                                                                                       : -1;
}

int python_forget(void **state)
{
	(void)state;
	PyDict_Clear(names);
	Py_CLEAR(names);
	PyGC_Collect();
	return 0;
}

void python_set(const char *name, PyObject *value)
{
	if (!value)
		fail_msg("%s: %s", name, py_error());
	assert_int_equal(PyDict_SetItemString(names, name, value), 0);
}

PyObject *python_get(const char *name)
{
	PyObject *value = PyDict_GetItemString(names, name);

	assert_non_null(value);
	return value;
}

void py(const char *code)
{
	PyObject *done = PyRun_String(code, Py_file_input, names, names);

	if (!done) {
		PyErr_Print();
		fail_msg("this failed:\n%s", code);
	}
	Py_DECREF(done);
}

const char *py_error(void)
{
	static char text[1024];
	PyObject *exc = fr_exc_take(), *string;

	text[0] = 0;
	if (!exc)
		return text;
	string = PyObject_Str(exc);
	snprintf(text, sizeof text, "%s: %s", Py_TYPE(exc)->tp_name,
	         string ? PyUnicode_AsUTF8(string) : "?");
	Py_XDECREF(string);
	Py_DECREF(exc);
	PyErr_Clear();
	return text;
}
