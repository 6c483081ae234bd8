/* What the compiler of manifests asks of the route table: which paths it can't hold. */
#include "workers/patterns.h"

#include <stdbool.h>

#include "shm/dfa.h"
#include "shm/manifest.h"

/* A segment: [convertor, name] or ["lit", text].  Its text lives as long as pair does. */
static int read_segment(PyObject *pair, struct fr_manifest_segment *ret)
{
	const char *conv, *text;

	if (!PyList_Check(pair) || PyList_GET_SIZE(pair) != 2) {
		PyErr_SetString(PyExc_TypeError, "a segment is a list of two");
		return -1;
	}
	conv = PyUnicode_AsUTF8(PyList_GET_ITEM(pair, 0));
	text = conv ? PyUnicode_AsUTF8(PyList_GET_ITEM(pair, 1)) : NULL;
	if (!text)
		return -1;
	if (fr_manifest_conv(conv, &ret->conv) < 0) {
		PyErr_Format(PyExc_ValueError, "no convertor of the table: %s", conv);
		return -1;
	}
	ret->text = text;
	return 0;
}

static int read_pattern(PyObject *pattern, struct fr_manifest_route *route)
{
	size_t n = PyList_Check(pattern) ? (size_t)PyList_GET_SIZE(pattern) : 0;

	if (!n) {
		PyErr_SetString(PyExc_TypeError, "a pattern is a list of segments");
		return -1;
	}
	route->pattern = PyMem_Calloc(n, sizeof(*route->pattern));
	if (!route->pattern) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (read_segment(PyList_GET_ITEM(pattern, i), &route->pattern[i]) < 0)
			return -1;
		route->params.count += route->pattern[i].conv >= 0;
		route->npattern++;
	}
	return 0;
}

static PyObject *list_of(const bool *marks, uint32_t n)
{
	PyObject *list = PyList_New(0);

	for (uint32_t i = 0; list && i < n; i++) {
		PyObject *number = marks[i] ? PyLong_FromUnsignedLong(i) : NULL;

		if (marks[i] && (!number || PyList_Append(list, number) < 0))
			Py_CLEAR(list);
		Py_XDECREF(number);
	}
	return list;
}

PyObject *fr_patterns_misfits(PyObject *module, PyObject *patterns)
{
	struct fr_manifest manifest = { 0 };
	struct fr_diag diag = { 0 };
	PyObject *list = NULL;
	bool *marks;
	size_t n;

	(void)module;
	if (!PyList_Check(patterns))
		return PyErr_Format(PyExc_TypeError, "expected a list of patterns, not %R",
		                    (PyObject *)Py_TYPE(patterns));
	n = (size_t)PyList_GET_SIZE(patterns);
	manifest.routes = PyMem_Calloc(n + 1, sizeof(*manifest.routes));
	marks = PyMem_Calloc(n + 1, sizeof(*marks));
	if (!manifest.routes || !marks) {
		PyErr_NoMemory();
		goto out;
	}
	for (; manifest.nroutes < n; manifest.nroutes++)
		if (read_pattern(PyList_GET_ITEM(patterns, manifest.nroutes),
		                 &manifest.routes[manifest.nroutes]) < 0)
			goto out;
	if (fr_dfa_misfits(&manifest, marks, &diag) < 0)
		PyErr_SetString(PyExc_MemoryError, diag.message);
	else
		list = list_of(marks, manifest.nroutes);
out:
	for (size_t i = 0; manifest.routes && i < n; i++)
		PyMem_Free(manifest.routes[i].pattern);
	PyMem_Free(manifest.routes);
	PyMem_Free(marks);
	return list;
}
