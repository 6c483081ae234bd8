/* What a function uses, as far as its code shows: whether it needs a thread, or waits for others. */
#include "workers/place.h"

#include <string.h>

/* Modules whose users want a thread of their own, or wait for others. */
static bool needs_thread(const char *module)
{
	static const char *const names[] = {
		"anyio",     "asyncio", "trio",       "uvloop",     "asgiref",
		"threading", "queue",   "socket",     "urllib",     "http",
		"requests",  "httpx",   "subprocess", "concurrent", "multiprocessing",
		"aiohttp",
	};
	size_t len = strcspn(module, ".");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(module, names[i], len) == 0)
			return true;
	return false;
}

#define SUSPECT_DEPTH 6
#define SUSPECT_CODES 300

struct search {
	PyObject *seen; /* set of code objects */
};

static int suspect_code(struct search *s, PyObject *code, PyObject *globals, int depth);

static int suspect_object(struct search *s, PyObject *object, int depth)
{
	if (PyFunction_Check(object)) {
		const char *module = NULL;
		PyObject *name = ((PyFunctionObject *)object)->func_module;
		if (name && PyUnicode_Check(name))
			module = PyUnicode_AsUTF8(name);
		if (module && needs_thread(module))
			return 1;
		return suspect_code(s, PyFunction_GET_CODE(object), PyFunction_GET_GLOBALS(object),
		                    depth);
	}
	if (PyModule_Check(object)) {
		const char *name = PyModule_GetName(object);
		if (!name)
			PyErr_Clear();
		return name && needs_thread(name);
	}
	/* Classes, and objects of classes, of such a module: an Event, a Queue, a Client. */
	PyObject *type = PyType_Check(object) ? object : (PyObject *)Py_TYPE(object);
	PyObject *module = PyObject_GetAttrString(type, "__module__");
	const char *text = module && PyUnicode_Check(module) ? PyUnicode_AsUTF8(module) : NULL;
	int found = text && needs_thread(text);
	if (!module || !text)
		PyErr_Clear();
	Py_XDECREF(module);
	return found;
}

static int suspect_name(struct search *s, PyObject *name, PyObject *globals, int depth)
{
	const char *text = PyUnicode_AsUTF8(name);
	if (!text) {
		PyErr_Clear();
		return 0;
	}
	if (strcmp(text, "sleep") == 0 || needs_thread(text))
		return 1;
	PyObject *value = PyDict_Check(globals) ? PyDict_GetItemWithError(globals, name) : NULL;
	return value ? suspect_object(s, value, depth + 1) : 0;
}

static int suspect_code(struct search *s, PyObject *code, PyObject *globals, int depth)
{
	if (depth > SUSPECT_DEPTH || PySet_GET_SIZE(s->seen) > SUSPECT_CODES)
		return 0;
	int seen = PySet_Contains(s->seen, code);
	if (seen != 0 || PySet_Add(s->seen, code) < 0)
		return 0;
	PyObject *names = PyObject_GetAttrString(code, "co_names");
	PyObject *consts = PyObject_GetAttrString(code, "co_consts");
	int found = 0;
	for (Py_ssize_t i = 0; names && !found && i < PyTuple_GET_SIZE(names); i++)
		found = suspect_name(s, PyTuple_GET_ITEM(names, i), globals, depth);
	for (Py_ssize_t i = 0; consts && !found && i < PyTuple_GET_SIZE(consts); i++)
		if (PyCode_Check(PyTuple_GET_ITEM(consts, i)))
			found = suspect_code(s, PyTuple_GET_ITEM(consts, i), globals, depth + 1);
	Py_XDECREF(names);
	Py_XDECREF(consts);
	return found;
}

int fr_place_suspect(PyObject *callable)
{
	struct search s = { PySet_New(NULL) };
	PyObject *at = Py_NewRef(callable), *next;
	int found = 0;
	if (!s.seen)
		goto out;
	if (PyGen_Check(at)) {
		PyObject *frame = PyObject_GetAttrString(at, "gi_frame");
		PyObject *code = PyObject_GetAttrString(at, "gi_code");
		PyObject *globals = frame && frame != Py_None
		                            ? PyObject_GetAttrString(frame, "f_globals")
		                            : NULL;
		if (code && globals)
			found = suspect_code(&s, code, globals, 0);
		Py_XDECREF(frame);
		Py_XDECREF(code);
		Py_XDECREF(globals);
		goto out;
	}
	/* partial objects, bound methods, wrappers, objects with __call__ */
	for (int i = 0; i < 8 && !PyFunction_Check(at); i++) {
		static const char *const inner[] = { "func", "__func__", "__wrapped__" };
		next = NULL;
		for (size_t n = 0; !next && n < sizeof(inner) / sizeof(inner[0]); n++) {
			next = PyObject_GetAttrString(at, inner[n]);
			PyErr_Clear();
		}
		if (!next && !PyType_Check(at)) {
			next = PyObject_GetAttrString((PyObject *)Py_TYPE(at), "__call__");
			PyErr_Clear();
		}
		if (!next)
			break;
		Py_SETREF(at, next);
	}
	found = suspect_object(&s, at, 0);
out:
	PyErr_Clear();
	Py_XDECREF(s.seen);
	Py_DECREF(at);
	return found;
}
