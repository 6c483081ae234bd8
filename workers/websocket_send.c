/* What the application sends to a WebSocket: ASGI's messages, as frames or an answer. */
#include <string.h>

#include "base/err.h"
#include "workers/gil.h"
#include "workers/websocket.h"

/* message[key], NULL if it is missing or None; -1 and an exception. */
static int item(PyObject *message, PyObject *key, PyObject **ret)
{
	*ret = PyObject_GetItem(message, key);
	if (!*ret) {
		if (!PyErr_ExceptionMatches(PyExc_KeyError))
			return -1;
		PyErr_Clear();
	} else if (*ret == Py_None) {
		Py_CLEAR(*ret);
	}
	return 0;
}

static int is_type(PyObject *type, PyObject *name)
{
	return PyObject_RichCompareBool(type, name, Py_EQ);
}

/* What net said of an answer or a frame, as an exception or nothing: the client may have left. */
static int judge(int err, const char *invalid)
{
	if (err == FR_EINVAL)
		PyErr_SetString(PyExc_RuntimeError, invalid);
	else if (err == FR_ENOMEM)
		PyErr_NoMemory();
	return PyErr_Occurred() ? -1 : FR_SENT_GO_ON;
}

static int client_gone(void)
{
	PyErr_SetString(PyExc_ConnectionResetError, "the client has closed the WebSocket");
	return -1;
}

static int send_accept(struct fr_bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_field protocol = { { "sec-websocket-protocol", 22 }, { NULL, 0 } };
	struct fr_bridge_fields f = { 0 };
	PyObject *name = NULL, *bytes = NULL;
	int rc = -1;

	if (item(message, n->subprotocol, &name) < 0 ||
	    fr_bridge_fields_read(b, &f, message, 1) < 0)
		goto out;
	if (name) {
		bytes = PyUnicode_Check(name) ? PyUnicode_AsLatin1String(name)
		                              : PyBytes_FromObject(name);
		if (!bytes)
			goto out;
		protocol.value.p = PyBytes_AS_STRING(bytes);
		protocol.value.len = (size_t)PyBytes_GET_SIZE(bytes);
		f.copies[f.count] = NULL;
		f.list[f.count++] = protocol;
	}
	rc = judge(fr_exchange_ws_accept(b->req->x, f.list, f.count),
	           "Invalid HTTP header name or value.");
	if (rc >= 0) {
		b->req->websocket->accepted = true;
		fr_websocket_count(b->req, 101);
	}
out:
	fr_bridge_fields_fini(&f);
	Py_XDECREF(name);
	Py_XDECREF(bytes);
	return rc;
}

/* Not accepted: the client gets 403. */
static int send_refusal(struct fr_bridge *b)
{
	struct fr_bytes plain = { "text/plain; charset=utf-8", 25 };
	struct fr_request *req = b->req;

	req->websocket->closed = true;
	req->completed = b->completed = true;
	fr_websocket_count(req, 403);
	return judge(fr_exchange_reply(req->x, 403, plain, NULL, 0, "", 0, NULL, NULL), "");
}

static int send_close(struct fr_bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_bytes text = { NULL, 0 };
	PyObject *code = NULL, *reason = NULL;
	long number = 1000;
	int rc = -1;

	if (item(message, n->code, &code) < 0 || item(message, n->reason, &reason) < 0)
		goto out;
	if (code)
		number = PyLong_AsLong(code);
	if (number == -1 && PyErr_Occurred())
		goto out;
	if (reason) {
		Py_ssize_t len;

		text.p = PyUnicode_AsUTF8AndSize(reason, &len);
		if (!text.p)
			goto out;
		text.len = (size_t)len;
	}
	if (number < 0 || number > UINT16_MAX)
		number = 0; /* as invalid as it was */
	rc = fr_exchange_ws_close(b->req->x, (unsigned)number, text);
	rc = rc == FR_EPIPE && b->req->websocket->ended
	             ? client_gone()
	             : judge(rc, "Invalid WebSocket close code, or a reason of more than 123 "
	                         "bytes.");
	if (rc >= 0) {
		b->req->websocket->closed = true;
		fr_websocket_resume(b->req);
	}
out:
	Py_XDECREF(code);
	Py_XDECREF(reason);
	return rc;
}

static void release(void *owner)
{
	fr_gil_decref(owner);
}

/* "websocket.send": text or bytes; the object lives until its bytes are written. */
static int send_data(struct fr_bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	PyObject *data = NULL;
	bool text = false;
	const char *p;
	Py_ssize_t len;
	int rc;

	if (item(message, n->bytes, &data) < 0)
		return -1;
	if (!data) {
		text = true;
		if (item(message, n->text, &data) < 0)
			return -1;
	}
	if (!data) {
		PyErr_SetString(PyExc_RuntimeError,
		                "'websocket.send' has neither 'text' nor 'bytes'.");
		return -1;
	}
	if (text) {
		p = PyUnicode_AsUTF8AndSize(data, &len);
	} else {
		if (!PyBytes_CheckExact(data)) {
			PyObject *bytes = PyBytes_FromObject(data);

			Py_DECREF(data);
			if (!bytes)
				return -1;
			data = bytes;
		}
		p = PyBytes_AS_STRING(data);
		len = PyBytes_GET_SIZE(data);
	}
	if (!p) {
		Py_DECREF(data);
		return -1;
	}
	rc = fr_exchange_ws_send(b->req->x, text, p, (size_t)len, release, data);
	if (rc == FR_EPIPE)
		return client_gone();
	if (rc < 0)
		return judge(rc, "");
	b->burst += (size_t)len + FR_WS_COST;
	if (rc == 0 && b->burst <= FR_BRIDGE_BURST)
		return FR_SENT_GO_ON;
	b->burst = 0;
	return rc == 1 ? FR_SENT_FULL : FR_SENT_YIELD;
}

/* The handshake is open: accept, refuse, or answer. */
static int first_message(struct fr_bridge *b, PyObject *message, PyObject *type)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_websocket *ws = b->req->websocket;
	int accept = is_type(type, n->ws_accept), close = is_type(type, n->ws_close);
	int start = is_type(type, n->ws_start), rc;

	if (accept < 0 || close < 0 || start < 0)
		return -1;
	if (accept)
		return send_accept(b, message);
	if (close)
		return send_refusal(b);
	if (start) {
		rc = fr_bridge_start(b, message);
		ws->refusing = rc > 0;
		return rc;
	}
	PyErr_Format(PyExc_RuntimeError,
	             "Expected ASGI message 'websocket.accept', 'websocket.close', or "
	             "'websocket.http.response.start' but got '%S'.",
	             type);
	return -1;
}

static int open_message(struct fr_bridge *b, PyObject *message, PyObject *type)
{
	const struct fr_bridge_names *n = b->sock->names;
	int send = is_type(type, n->ws_send), close = is_type(type, n->ws_close);

	if (send < 0 || close < 0)
		return -1;
	if (send || close) {
		if (!b->req->x)
			return client_gone();
		return send ? send_data(b, message) : send_close(b, message);
	}
	PyErr_Format(PyExc_RuntimeError,
	             "Expected ASGI message 'websocket.send' or 'websocket.close', but got '%S'.",
	             type);
	return -1;
}

static int part_message(struct fr_bridge *b, PyObject *message, PyObject *type)
{
	const struct fr_bridge_names *n = b->sock->names;
	int part = is_type(type, n->ws_part), rc;

	if (part < 0)
		return -1;
	if (!part) {
		PyErr_Format(PyExc_RuntimeError,
		             "Expected ASGI message 'websocket.http.response.body' but got '%S'.",
		             type);
		return -1;
	}
	rc = fr_bridge_part(b, message);
	b->req->websocket->closed = b->completed;
	return rc;
}

int fr_websocket_message(struct fr_bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_websocket *ws = b->req ? b->req->websocket : NULL;
	PyObject *type = PyObject_GetItem(message, n->type);
	int rc = -1;

	if (!type)
		return -1;
	if (!ws || ws->closed || ws->end_told)
		PyErr_Format(
			PyExc_RuntimeError,
			"Unexpected ASGI message '%S', after sending 'websocket.close' or response "
			"already completed.",
			type);
	else if (ws->accepted)
		rc = open_message(b, message, type);
	else if (!b->req->x)
		rc = FR_SENT_YIELD; /* the client left before it had an answer: dropped */
	else if (ws->refusing)
		rc = part_message(b, message, type);
	else
		rc = first_message(b, message, type);
	Py_DECREF(type);
	return rc;
}
