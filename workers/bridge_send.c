/* What an ASGI application sends: heads and pieces of answers. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "workers/websocket.h"

static bool is_token(const char *p, size_t len, const char *token)
{
	return len == strlen(token) && memcmp(p, token, len) == 0;
}

/* The field's name in lower case: itself, or a copy (from malloc) in *ret_copy. */
static int lower_name(struct fr_field *field, char **ret_copy)
{
	char *copy;
	size_t i;

	*ret_copy = NULL;
	for (i = 0; i < field->name.len; i++)
		if (field->name.p[i] >= 'A' && field->name.p[i] <= 'Z')
			break;
	if (i == field->name.len)
		return 0;
	copy = malloc(field->name.len);
	if (!copy) {
		PyErr_NoMemory();
		return -1;
	}
	for (i = 0; i < field->name.len; i++) {
		char c = field->name.p[i];
		copy[i] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
	}
	field->name.p = copy;
	*ret_copy = copy;
	return 0;
}

static int parse_length(struct fr_bridge *b, const struct fr_field *field)
{
	int64_t value = 0;

	for (size_t i = 0; i < field->value.len; i++) {
		char c = field->value.p[i];
		if (c < '0' || c > '9' || value > INT64_MAX / 10 - 1) {
			PyErr_SetString(PyExc_RuntimeError, "Invalid Content-Length.");
			return -1;
		}
		value = value * 10 + (c - '0');
	}
	b->left = value;
	return 0;
}

void fr_bridge_fields_fini(struct fr_bridge_fields *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->copies[i]);
	PyMem_Free(f->list);
	PyMem_Free(f->copies);
	Py_XDECREF(f->headers);
}

/* One pair of a message's headers. */
static int fields_add(struct fr_bridge *b, struct fr_bridge_fields *f, PyObject *pair)
{
	PyObject *name, *value;
	struct fr_field field;
	char *copy = NULL;
	int rc = 0;

	if (PyTuple_GET_SIZE(pair) != 2 || !PyBytes_Check(name = PyTuple_GET_ITEM(pair, 0)) ||
	    !PyBytes_Check(value = PyTuple_GET_ITEM(pair, 1))) {
		PyErr_SetString(PyExc_TypeError, "a header must be a pair of bytes");
		return -1;
	}
	field.name.p = PyBytes_AS_STRING(name);
	field.name.len = (size_t)PyBytes_GET_SIZE(name);
	field.value.p = PyBytes_AS_STRING(value);
	field.value.len = (size_t)PyBytes_GET_SIZE(value);
	if (lower_name(&field, &copy) < 0)
		return -1;
	if (is_token(field.name.p, field.name.len, "transfer-encoding")) {
		f->chunked = true; /* net writes it, and does it */
		free(copy);
		return 0;
	}
	if (is_token(field.name.p, field.name.len, "content-length")) {
		f->length = true;
		rc = parse_length(b, &field);
	}
	f->list[f->count] = field;
	f->copies[f->count++] = copy;
	return rc;
}

/* The message's headers, each pair a tuple: all of it is ours, and keeps what fields point to. */
static PyObject *headers_of(const struct fr_bridge_names *n, PyObject *message)
{
	PyObject *headers = PyObject_GetItem(message, n->headers), *list;

	if (!headers) {
		if (!PyErr_ExceptionMatches(PyExc_KeyError))
			return NULL;
		PyErr_Clear();
		return PyList_New(0);
	}
	list = PySequence_List(headers);
	Py_DECREF(headers);
	for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
		PyObject *pair = PySequence_Tuple(PyList_GET_ITEM(list, i));

		if (!pair || PyList_SetItem(list, i, pair) < 0)
			Py_CLEAR(list);
	}
	return list;
}

int fr_bridge_fields_read(struct fr_bridge *b, struct fr_bridge_fields *f, PyObject *message,
                          size_t more)
{
	size_t count;

	f->headers = headers_of(b->sock->names, message);
	if (!f->headers)
		return -1;
	count = (size_t)PyList_GET_SIZE(f->headers);
	f->list = PyMem_New(struct fr_field, count + more + 1);
	f->copies = PyMem_New(char *, count + more + 1);
	if (!f->list || !f->copies) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		if (fields_add(b, f, PyList_GET_ITEM(f->headers, (Py_ssize_t)i)) < 0)
			return -1;
	return 0;
}

/* 1: sent; -1 and an exception. */
int fr_bridge_start(struct fr_bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_request *req = b->req;
	struct fr_bridge_fields f = { 0 };
	PyObject *status = PyObject_GetItem(message, n->status);
	enum fr_framing framing = FR_FRAMING_LENGTH;
	long code;
	int rc = -1;

	if (!status)
		goto out;
	code = PyLong_AsLong(status);
	if (code == -1 && PyErr_Occurred())
		goto out;
	if (code < 100 || code > 999) {
		PyErr_Format(PyExc_RuntimeError, "Invalid HTTP status: %ld", code);
		goto out;
	}
	b->left = 0;
	if (fr_bridge_fields_read(b, &f, message, 0) < 0)
		goto out;
	b->head = req->in.method == FR_HEAD;
	b->chunked = f.chunked || (!f.length && !b->head && code != 204 && code != 304);
	if (b->chunked && !b->head)
		framing = FR_FRAMING_CHUNKED;
	req->status = (unsigned)code;
	rc = fr_exchange_start(req->x, (unsigned)code, f.list, f.count, framing);
	if (rc == FR_EINVAL)
		fr_request_refused((unsigned)code);
	else if (rc == FR_ENOMEM)
		PyErr_NoMemory();
	rc = PyErr_Occurred() ? -1 : 1;
	if (rc > 0)
		b->started = true;
out:
	fr_bridge_fields_fini(&f);
	Py_XDECREF(status);
	return rc;
}

/* Accounts for len more bytes of the answer against its content-length. */
static int check_length(struct fr_bridge *b, Py_ssize_t len, bool last)
{
	if (b->head) {
		b->left = 0;
	} else if (!b->chunked) {
		if (len > b->left) {
			PyErr_SetString(PyExc_RuntimeError,
			                "Response content longer than Content-Length");
			return -1;
		}
		b->left -= len;
	}
	if (last && !b->chunked && b->left != 0) {
		PyErr_SetString(PyExc_RuntimeError, "Response content shorter than Content-Length");
		return -1;
	}
	return 0;
}

/* It was told that the client sends no more, and took it for gone: the answer stays unfinished. */
static bool gives_up(const struct fr_bridge *b, Py_ssize_t len)
{
	return b->req->left && !b->head && !b->chunked && len < b->left;
}

int fr_bridge_part(struct fr_bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_request *req = b->req;
	PyObject *body = PyObject_GetItem(message, n->body), *more = NULL;
	int last, rc = -1;

	if (!body && PyErr_ExceptionMatches(PyExc_KeyError)) {
		PyErr_Clear();
		body = Py_NewRef(n->empty);
	}
	if (body && !PyBytes_CheckExact(body))
		Py_SETREF(body, PyBytes_FromObject(body));
	if (!body)
		return -1;
	more = PyObject_GetItem(message, n->more_body);
	if (!more && PyErr_ExceptionMatches(PyExc_KeyError)) {
		PyErr_Clear();
		more = Py_NewRef(Py_False);
	}
	last = more ? PyObject_Not(more) : -1;
	if (last > 0 && gives_up(b, PyBytes_GET_SIZE(body))) {
		b->completed = req->completed = true;
		fr_exchange_abort(req->x);
		rc = FR_SENT_GO_ON;
		goto out;
	}
	if (last < 0 || check_length(b, PyBytes_GET_SIZE(body), last) < 0)
		goto out;
	if (b->head)
		Py_SETREF(body, Py_NewRef(n->empty));
	b->completed = last;
	rc = 0;
	if (last || PyBytes_GET_SIZE(body) > 0)
		rc = fr_request_write(req, body, last);
	if (last)
		fr_bridge_wake_receive(req);
	if (rc == FR_ENOMEM) {
		PyErr_NoMemory();
		rc = -1;
	} else {
		b->burst += (size_t)PyBytes_GET_SIZE(body);
		rc = last                         ? FR_SENT_GO_ON
		     : rc == 1                    ? FR_SENT_FULL
		     : b->burst > FR_BRIDGE_BURST ? FR_SENT_YIELD
		                                  : FR_SENT_GO_ON;
	}
	if (rc == FR_SENT_FULL || rc == FR_SENT_YIELD)
		b->burst = 0;
out:
	Py_DECREF(body);
	Py_XDECREF(more);
	return rc;
}

int fr_bridge_message(struct fr_bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	PyObject *type;
	int same, rc = -1;

	if (b->websocket)
		return fr_websocket_message(b, message);

	/* The client left: dropped, as servers do.  Who sends without end must not keep the loop. */
	if (!b->completed && (!b->req || !b->req->x))
		return FR_SENT_YIELD;
	type = PyObject_GetItem(message, n->type);
	if (!type)
		return -1;
	if (b->completed) {
		PyErr_Format(PyExc_RuntimeError,
		             "Unexpected ASGI message '%S' sent, after response already completed.",
		             type);
		goto out;
	}
	same = PyObject_RichCompareBool(type, b->started ? n->part : n->start, Py_EQ);
	if (same == 0)
		PyErr_Format(PyExc_RuntimeError, "Expected ASGI message '%U', but got '%S'.",
		             b->started ? n->part : n->start, type);
	if (same <= 0)
		goto out;
	rc = b->started ? fr_bridge_part(b, message) : fr_bridge_start(b, message);
out:
	Py_DECREF(type);
	return rc;
}
