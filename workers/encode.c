/*
 * The JSON encoder for plain data: what json.dumps(jsonable_encoder(value),
 * ensure_ascii=False, allow_nan=False, separators=(",", ":")) gives, as UTF-8.
 *
 * It takes exact dict, list, tuple, str, int, float, bool and None.  For
 * anything else (subclasses, other keys than str, NaN, lone surrogates, deep
 * nesting) it gives up, and Python does it from the start: with the result,
 * or the error, that is right by definition.
 */
#include "workers/exec.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 100

struct out {
	char *p;
	size_t len, cap;
	char *heap; /* NULL while p is on the stack */
};

enum { OK = 0, NOT_OURS = 1, FAILED = -1 };

static int grow(struct out *o, size_t more)
{
	size_t cap = o->cap * 2;
	if (cap < o->len + more)
		cap = o->len + more;
	char *p = PyMem_Realloc(o->heap, cap);
	if (!p) {
		PyErr_NoMemory();
		return FAILED;
	}
	if (!o->heap)
		memcpy(p, o->p, o->len);
	o->p = o->heap = p;
	o->cap = cap;
	return OK;
}

static inline int room(struct out *o, size_t more)
{
	return o->cap - o->len >= more ? OK : grow(o, more);
}

static inline int put(struct out *o, const char *p, size_t len)
{
	if (room(o, len) < 0)
		return FAILED;
	memcpy(o->p + o->len, p, len);
	o->len += len;
	return OK;
}

/* 1: the byte is written as an escape. */
static const unsigned char escaped[256] = {
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,         1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ['"'] = 1, ['\\'] = 1,
};

static size_t escape(char *to, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	to[0] = '\\';
	switch (c) {
	case '"':
	case '\\':
		to[1] = (char)c;
		return 2;
	case '\b':
		to[1] = 'b';
		return 2;
	case '\f':
		to[1] = 'f';
		return 2;
	case '\n':
		to[1] = 'n';
		return 2;
	case '\r':
		to[1] = 'r';
		return 2;
	case '\t':
		to[1] = 't';
		return 2;
	default:
		memcpy(to + 1, "u00", 3);
		to[4] = hex[c >> 4];
		to[5] = hex[c & 15];
		return 6;
	}
}

static int put_str(struct out *o, PyObject *str)
{
	const char *p;
	Py_ssize_t len;
	if (PyUnicode_IS_COMPACT_ASCII(str)) {
		p = (const char *)PyUnicode_1BYTE_DATA(str);
		len = PyUnicode_GET_LENGTH(str);
	} else {
		p = PyUnicode_AsUTF8AndSize(str, &len);
		if (!p) {
			PyErr_Clear(); /* a lone surrogate, or no memory: Python tells which */
			return NOT_OURS;
		}
	}
	if (room(o, (size_t)len + 2) < 0)
		return FAILED;
	o->p[o->len++] = '"';
	const char *end = p + len, *from = p;
	for (; p < end; p++) {
		if (!escaped[(unsigned char)*p])
			continue;
		if (put(o, from, (size_t)(p - from)) < 0 || room(o, 6 + (size_t)(end - p)) < 0)
			return FAILED;
		o->len += escape(o->p + o->len, (unsigned char)*p);
		from = p + 1;
	}
	if (room(o, (size_t)(end - from) + 1) < 0)
		return FAILED;
	memcpy(o->p + o->len, from, (size_t)(end - from));
	o->len += (size_t)(end - from);
	o->p[o->len++] = '"';
	return OK;
}

static int put_int(struct out *o, PyObject *value)
{
	int overflow;
	long long n = PyLong_AsLongLongAndOverflow(value, &overflow);
	if (overflow)
		return NOT_OURS;
	char text[24], *at = text + sizeof(text);
	unsigned long long u = n < 0 ? 0ULL - (unsigned long long)n : (unsigned long long)n;
	do {
		*--at = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (n < 0)
		*--at = '-';
	return put(o, at, (size_t)(text + sizeof(text) - at));
}

static int put_float(struct out *o, PyObject *value)
{
	double d = PyFloat_AS_DOUBLE(value);
	if (!isfinite(d))
		return NOT_OURS;
	char *text = PyOS_double_to_string(d, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
	if (!text)
		return FAILED;
	int rc = put(o, text, strlen(text));
	PyMem_Free(text);
	return rc;
}

static int put_value(struct out *o, PyObject *value, int depth);

static int put_dict(struct out *o, PyObject *dict, int depth)
{
	Py_ssize_t pos = 0;
	PyObject *key, *value;
	bool first = true;
	if (put(o, "{", 1) < 0)
		return FAILED;
	while (PyDict_Next(dict, &pos, &key, &value)) {
		if (!PyUnicode_CheckExact(key))
			return NOT_OURS;
		/* jsonable_encoder leaves SQLAlchemy's state out. */
		if (PyUnicode_GET_LENGTH(key) >= 3 && PyUnicode_READ_CHAR(key, 0) == '_' &&
		    PyUnicode_READ_CHAR(key, 1) == 's' && PyUnicode_READ_CHAR(key, 2) == 'a')
			continue;
		if (!first && put(o, ",", 1) < 0)
			return FAILED;
		first = false;
		int rc = put_str(o, key);
		if (rc != OK)
			return rc;
		if (put(o, ":", 1) < 0)
			return FAILED;
		rc = put_value(o, value, depth + 1);
		if (rc != OK)
			return rc;
	}
	return put(o, "}", 1);
}

static int put_items(struct out *o, PyObject **items, Py_ssize_t n, int depth)
{
	if (put(o, "[", 1) < 0)
		return FAILED;
	for (Py_ssize_t i = 0; i < n; i++) {
		if (i && put(o, ",", 1) < 0)
			return FAILED;
		int rc = put_value(o, items[i], depth + 1);
		if (rc != OK)
			return rc;
	}
	return put(o, "]", 1);
}

static int put_value(struct out *o, PyObject *value, int depth)
{
	if (depth > MAX_DEPTH)
		return NOT_OURS;
	if (PyUnicode_CheckExact(value))
		return put_str(o, value);
	if (PyDict_CheckExact(value))
		return put_dict(o, value, depth);
	if (value == Py_None)
		return put(o, "null", 4);
	if (value == Py_True)
		return put(o, "true", 4);
	if (value == Py_False)
		return put(o, "false", 5);
	if (PyLong_CheckExact(value))
		return put_int(o, value);
	if (PyList_CheckExact(value))
		return put_items(o, ((PyListObject *)value)->ob_item, PyList_GET_SIZE(value),
		                 depth);
	if (PyTuple_CheckExact(value))
		return put_items(o, ((PyTupleObject *)value)->ob_item, PyTuple_GET_SIZE(value),
		                 depth);
	if (PyFloat_CheckExact(value))
		return put_float(o, value);
	return NOT_OURS;
}

PyObject *fr_json_encode(PyObject *value)
{
	char stack[2048];
	struct out o = { .p = stack, .cap = sizeof(stack) };
	PyObject *bytes = NULL;
	if (put_value(&o, value, 0) == OK)
		bytes = PyBytes_FromStringAndSize(o.p, (Py_ssize_t)o.len);
	PyMem_Free(o.heap);
	return bytes;
}
