/* ASGI's scope, receive and send for a request that came over a socket. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "workers/socket.h"

#define NAMES(X) \
	X(type) X(asgi) X(http_version) X(server) X(client) X(scheme) X(method) X(root_path) X(path) \
	X(raw_path) X(query_string) X(headers) X(state) X(http) X(version) X(spec_version) X(status) \
	X(body) X(more_body) X(create_future) X(throw) X(close)

struct fr_bridge_names {
#define X(name) PyObject *name;
	NAMES(X)
#undef X
	PyObject *v30, *v23, *http11, *http10;
	PyObject *request, *disconnect, *start, *part; /* types of messages */
	PyObject *empty; /* b"" */
	PyObject *server_name; /* the last server tuple, and what it was made from */
	char server_text[256];
	int server_port;
	PyTypeObject *bridge_type, *step_type;
};

/* Sending that many bytes without a wait lets others have their turn. */
#define BURST (1u << 20)

/* What Python holds of a request; outlives it. */
struct bridge {
	PyObject_HEAD
	struct fr_socket *sock;
	struct fr_request *req; /* NULL: the run is over */
	PyObject *receivers, *senders; /* lists of futures */
	PyObject *scope; /* made once */
	int64_t left; /* bytes that content-length still announces */
	size_t burst; /* bytes sent since others had their turn */
	bool started, completed;
	bool body_given; /* the end of the request's body */
	bool head; /* HEAD: no body is written */
	bool chunked;
};

enum step_kind { STEP_RECEIVE, STEP_SEND };

/* One call of receive() or send(), to be awaited: a coroutine in C. */
struct step {
	PyObject_HEAD
	struct bridge *bridge;
	PyObject *message; /* of send() */
	PyObject *future; /* what it waits for */
	PyObject *inner; /* its iterator */
	uint8_t kind;
	bool acted; /* send(): the message is on its way */
	bool ended;
};

static PyObject *disconnected(const struct fr_bridge_names *n)
{
	PyObject *message = PyDict_New();

	if (message && PyDict_SetItem(message, n->type, n->disconnect) < 0)
		Py_CLEAR(message);
	return message;
}

/* ---- receive ---- */

/* 1 and the message; 0: nothing yet; -1 and an exception. */
static int receive_try(struct bridge *b, PyObject **ret)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_request *req = b->req;
	PyObject *body, *message;

	if (!req || !req->x || req->completed || (req->left && b->body_given)) {
		*ret = disconnected(n);
		return *ret ? 1 : -1;
	}
	if (b->body_given || (req->stream && req->body_len == 0 && !req->body_ended))
		return 0;
	body = fr_request_take(req);
	message = body ? PyDict_New() : NULL;
	if (!message || PyDict_SetItem(message, n->type, n->request) < 0 ||
	    PyDict_SetItem(message, n->body, body) < 0 ||
	    PyDict_SetItem(message, n->more_body, req->body_ended ? Py_False : Py_True) < 0) {
		Py_XDECREF(body);
		Py_XDECREF(message);
		return -1;
	}
	Py_DECREF(body);
	b->body_given = req->body_ended;
	*ret = message;
	return 1;
}

/* ---- send ---- */

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

static int parse_length(struct bridge *b, const struct fr_field *field)
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

struct fields {
	struct fr_field *list;
	char **copies;
	size_t count;
	bool length, chunked;
};

static void fields_fini(struct fields *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->copies[i]);
	PyMem_Free(f->list);
	PyMem_Free(f->copies);
}

/* One pair of bytes of a message's headers. */
static int fields_add(struct bridge *b, struct fields *f, PyObject *pair)
{
	struct fr_field field;
	PyObject *items = PySequence_Fast(pair, "a header must be a pair of bytes");
	char *copy = NULL;
	int rc = -1;

	if (!items)
		return -1;
	if (PySequence_Fast_GET_SIZE(items) != 2 || !PyBytes_Check(PySequence_Fast_GET_ITEM(items, 0)) ||
	    !PyBytes_Check(PySequence_Fast_GET_ITEM(items, 1))) {
		PyErr_SetString(PyExc_TypeError, "a header must be a pair of bytes");
		goto out;
	}
	field.name.p = PyBytes_AS_STRING(PySequence_Fast_GET_ITEM(items, 0));
	field.name.len = (size_t)PyBytes_GET_SIZE(PySequence_Fast_GET_ITEM(items, 0));
	field.value.p = PyBytes_AS_STRING(PySequence_Fast_GET_ITEM(items, 1));
	field.value.len = (size_t)PyBytes_GET_SIZE(PySequence_Fast_GET_ITEM(items, 1));
	if (lower_name(&field, &copy) < 0)
		goto out;
	rc = 0;
	if (is_token(field.name.p, field.name.len, "transfer-encoding")) {
		f->chunked = true; /* net writes it, and does it */
		free(copy);
		goto out;
	}
	if (is_token(field.name.p, field.name.len, "content-length")) {
		f->length = true;
		rc = parse_length(b, &field);
	}
	f->list[f->count] = field;
	f->copies[f->count++] = copy;
out:
	Py_DECREF(items); /* the message keeps what the field points to */
	return rc;
}

/* A tuple of the message's headers, each pair a tuple of its own: so nothing moves meanwhile. */
static PyObject *headers_of(const struct fr_bridge_names *n, PyObject *message)
{
	PyObject *headers = PyObject_GetItem(message, n->headers), *tuple;

	if (!headers) {
		if (!PyErr_ExceptionMatches(PyExc_KeyError))
			return NULL;
		PyErr_Clear();
		return PyTuple_New(0);
	}
	tuple = PySequence_Tuple(headers);
	Py_DECREF(headers);
	return tuple;
}

/* 1: sent; -1 and an exception. */
static int send_start(struct bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_request *req = b->req;
	struct fields f = { 0 };
	PyObject *status = PyObject_GetItem(message, n->status), *headers = NULL;
	enum fr_framing framing = FR_FRAMING_LENGTH;
	Py_ssize_t count;
	long code;
	int rc = -1;

	if (!status || !(headers = headers_of(n, message)))
		goto out;
	code = PyLong_AsLong(status);
	if (code == -1 && PyErr_Occurred())
		goto out;
	if (code < 100 || code > 999) {
		PyErr_Format(PyExc_RuntimeError, "Invalid HTTP status: %ld", code);
		goto out;
	}
	count = PyTuple_GET_SIZE(headers);
	f.list = PyMem_New(struct fr_field, count + 1);
	f.copies = PyMem_New(char *, count + 1);
	if (!f.list || !f.copies) {
		PyErr_NoMemory();
		goto out;
	}
	b->left = 0;
	for (Py_ssize_t i = 0; i < count; i++)
		if (fields_add(b, &f, PyTuple_GET_ITEM(headers, i)) < 0)
			goto out;
	b->head = req->in.method == FR_HEAD;
	b->chunked = f.chunked || (!f.length && !b->head && code != 204 && code != 304);
	if (b->chunked && !b->head)
		framing = FR_FRAMING_CHUNKED;
	rc = fr_exchange_start(req->x, (unsigned)code, f.list, f.count, framing);
	if (rc == FR_EINVAL)
		PyErr_SetString(PyExc_RuntimeError, "Invalid HTTP header name or value.");
	else if (rc == FR_ENOMEM)
		PyErr_NoMemory();
	rc = PyErr_Occurred() ? -1 : 1;
	if (rc > 0)
		b->started = true;
out:
	fields_fini(&f);
	Py_XDECREF(status);
	Py_XDECREF(headers);
	return rc;
}

/* Accounts for len more bytes of the answer against its content-length. */
static int check_length(struct bridge *b, Py_ssize_t len, bool last)
{
	if (b->head) {
		b->left = 0;
	} else if (!b->chunked) {
		if (len > b->left) {
			PyErr_SetString(PyExc_RuntimeError, "Response content longer than Content-Length");
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

enum { SENT_GO_ON = 1, SENT_FULL = 0, SENT_YIELD = 2 };

/* Sent, and go on; or wait for the queue; or let others have a turn; -1 and an exception. */
static int send_part(struct bridge *b, PyObject *message)
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
		rc = last ? SENT_GO_ON : rc == 1 ? SENT_FULL : b->burst > BURST ? SENT_YIELD : SENT_GO_ON;
	}
	if (rc == SENT_FULL || rc == SENT_YIELD)
		b->burst = 0;
out:
	Py_DECREF(body);
	Py_XDECREF(more);
	return rc;
}

static int send_message(struct bridge *b, PyObject *message)
{
	const struct fr_bridge_names *n = b->sock->names;
	PyObject *type;
	int same, rc = -1;

	/* The client left: dropped, as servers do.  Who sends without end must not keep the loop. */
	if (!b->completed && (!b->req || !b->req->x))
		return SENT_YIELD;
	type = PyObject_GetItem(message, n->type);
	if (!type)
		return -1;
	if (b->completed) {
		PyErr_Format(PyExc_RuntimeError,
		             "Unexpected ASGI message '%S' sent, after response already completed.", type);
		goto out;
	}
	same = PyObject_RichCompareBool(type, b->started ? n->part : n->start, Py_EQ);
	if (same == 0)
		PyErr_Format(PyExc_RuntimeError, "Expected ASGI message '%U', but got '%S'.",
		             b->started ? n->part : n->start, type);
	if (same <= 0)
		goto out;
	rc = b->started ? send_part(b, message) : send_start(b, message);
out:
	Py_DECREF(type);
	return rc;
}

/* As send_part(). */
static int send_try(struct bridge *b, struct step *step, PyObject **ret)
{
	if (!step->acted) {
		int rc = send_message(b, step->message);

		if (rc < 0)
			return -1;
		step->acted = true;
		if (rc != SENT_GO_ON)
			return rc;
	}
	*ret = Py_NewRef(Py_None);
	return 1;
}

/* ---- steps: what is awaited ---- */

static PyObject **waiters(struct bridge *b, uint8_t kind)
{
	return kind == STEP_RECEIVE ? &b->receivers : &b->senders;
}

/* Starts to wait: a future on the list, and its iterator. */
static int step_wait(struct step *self)
{
	struct bridge *b = self->bridge;
	PyObject **list = waiters(b, self->kind);
	PyObject *future;

	if (!*list && !(*list = PyList_New(0)))
		return -1;
	future = PyObject_CallMethodNoArgs(b->sock->loop->loop, b->sock->names->create_future);
	if (!future)
		return -1;
	if (PyList_Append(*list, future) < 0) {
		Py_DECREF(future);
		return -1;
	}
	self->future = future;
	self->inner = Py_TYPE(future)->tp_as_async->am_await(future);
	return self->inner ? 0 : -1;
}

/* The wait is over, one way or another: nobody is to wake this future any more. */
static void step_waited(struct step *self)
{
	PyObject *list = *waiters(self->bridge, self->kind);

	Py_CLEAR(self->inner);
	for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++)
		if (PyList_GET_ITEM(list, i) == self->future) {
			PyList_SetSlice(list, i, i + 1, NULL);
			break;
		}
	Py_CLEAR(self->future);
}

static PySendResult step_am_send(PyObject *object, PyObject *arg, PyObject **ret)
{
	struct step *self = (struct step *)object;
	PySendResult result = PYGEN_ERROR;
	int rc;

	*ret = NULL;
	if (self->ended) {
		PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
		return PYGEN_ERROR;
	}
	for (;;) {
		if (self->inner) {
			result = PyIter_Send(self->inner, arg, ret);
			if (result == PYGEN_NEXT)
				return PYGEN_NEXT;
			step_waited(self);
			if (result == PYGEN_ERROR)
				break;
			Py_CLEAR(*ret);
			arg = Py_None;
		}
		rc = self->kind == STEP_RECEIVE ? receive_try(self->bridge, ret) :
		                                  send_try(self->bridge, self, ret);
		if (rc == SENT_YIELD) {
			*ret = Py_NewRef(Py_None);
			return PYGEN_NEXT;
		}
		result = rc > 0 ? PYGEN_RETURN : PYGEN_ERROR;
		if (rc != 0)
			break;
		if (step_wait(self) < 0) {
			step_waited(self);
			break;
		}
	}
	self->ended = true;
	return result;
}

static PyObject *step_send(PyObject *self, PyObject *arg)
{
	PyObject *value;
	PySendResult result = step_am_send(self, arg, &value);

	if (result == PYGEN_RETURN) {
		PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);

		Py_DECREF(value);
		if (stop)
			fr_exc_set(stop);
		return NULL;
	}
	return result == PYGEN_NEXT ? value : NULL;
}

static PyObject *step_next(PyObject *self)
{
	return step_send(self, Py_None);
}

static PyObject *step_throw(PyObject *object, PyObject *args)
{
	struct step *self = (struct step *)object;
	PyObject *type, *value = NULL, *trace = NULL, *throw, *result;

	if (!PyArg_ParseTuple(args, "O|OO:throw", &type, &value, &trace))
		return NULL;
	if (self->inner) {
		throw = PyObject_GetAttr(self->inner, self->bridge->sock->names->throw);
		result = throw ? PyObject_Call(throw, args, NULL) : NULL;
		Py_XDECREF(throw);
		if (result)
			return result;
		step_waited(self);
	} else if (PyExceptionInstance_Check(type)) {
		PyErr_SetObject((PyObject *)Py_TYPE(type), type);
	} else {
		PyErr_SetObject(type, value ? value : Py_None);
	}
	self->ended = true;
	return NULL;
}

static PyObject *step_close(PyObject *object, PyObject *unused)
{
	struct step *self = (struct step *)object;

	(void)unused;
	if (self->inner) {
		PyObject *closed =
		        PyObject_CallMethodNoArgs(self->inner, self->bridge->sock->names->close);

		Py_XDECREF(closed);
		step_waited(self);
		if (!closed)
			return NULL;
	}
	self->ended = true;
	Py_RETURN_NONE;
}

static int step_traverse(struct step *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT((PyObject *)self->bridge);
	Py_VISIT(self->message);
	Py_VISIT(self->future);
	Py_VISIT(self->inner);
	return 0;
}

static void step_dealloc(struct step *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	if (self->future)
		step_waited(self);
	Py_XDECREF((PyObject *)self->bridge);
	Py_XDECREF(self->message);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

static PyMethodDef step_methods[] = {
	{ "send", step_send, METH_O, NULL },
	{ "throw", step_throw, METH_VARARGS, NULL },
	{ "close", step_close, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot step_slots[] = {
	{ Py_tp_dealloc, step_dealloc },
	{ Py_tp_traverse, step_traverse },
	{ Py_tp_methods, step_methods },
	{ Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, step_next },
	{ Py_am_await, PyObject_SelfIter },
	{ Py_am_send, step_am_send },
	{ 0, NULL },
};

static PyType_Spec step_spec = {
	.name = "fastrapi._fastrapid.Step",
	.basicsize = sizeof(struct step),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = step_slots,
};

static PyObject *step_new(struct bridge *b, enum step_kind kind, PyObject *message)
{
	struct step *self = PyObject_GC_New(struct step, b->sock->names->step_type);

	if (!self)
		return NULL;
	self->bridge = (struct bridge *)Py_NewRef((PyObject *)b);
	self->message = Py_XNewRef(message);
	self->future = self->inner = NULL;
	self->kind = (uint8_t)kind;
	self->acted = self->ended = false;
	PyObject_GC_Track(self);
	return (PyObject *)self;
}

/* ---- bridges ---- */

static PyObject *bridge_receive(PyObject *self, PyObject *unused)
{
	(void)unused;
	return step_new((struct bridge *)self, STEP_RECEIVE, NULL);
}

static PyObject *bridge_send(PyObject *self, PyObject *message)
{
	return step_new((struct bridge *)self, STEP_SEND, message);
}

static PyMethodDef receive_def = { "receive", bridge_receive, METH_NOARGS, NULL };
static PyMethodDef send_def = { "send", bridge_send, METH_O, NULL };

static int bridge_traverse(struct bridge *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->receivers);
	Py_VISIT(self->senders);
	Py_VISIT(self->scope);
	return 0;
}

static int bridge_clear(struct bridge *self)
{
	Py_CLEAR(self->receivers);
	Py_CLEAR(self->senders);
	Py_CLEAR(self->scope);
	return 0;
}

static void bridge_dealloc(struct bridge *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	bridge_clear(self);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

static PyType_Slot bridge_slots[] = {
	{ Py_tp_dealloc, bridge_dealloc },
	{ Py_tp_traverse, bridge_traverse },
	{ Py_tp_clear, bridge_clear },
	{ 0, NULL },
};

static PyType_Spec bridge_spec = {
	.name = "fastrapi._fastrapid.Bridge",
	.basicsize = sizeof(struct bridge),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = bridge_slots,
};

/* The request's bridge, made at first need; borrowed. */
static struct bridge *bridge_of(struct fr_input *in)
{
	struct fr_request *req = (struct fr_request *)in;
	struct bridge *b = (struct bridge *)req->bridge;

	if (b)
		return b;
	b = PyObject_GC_New(struct bridge, req->sock->names->bridge_type);
	if (!b)
		return NULL;
	memset((char *)b + sizeof(PyObject), 0, sizeof(*b) - sizeof(PyObject));
	b->sock = req->sock;
	b->req = req;
	PyObject_GC_Track(b);
	req->bridge = (PyObject *)b;
	return b;
}

PyObject *fr_bridge_receive(struct fr_input *in)
{
	struct bridge *b = bridge_of(in);

	return b ? PyCFunction_New(&receive_def, (PyObject *)b) : NULL;
}

PyObject *fr_bridge_send(struct fr_input *in)
{
	struct bridge *b = bridge_of(in);

	return b ? PyCFunction_New(&send_def, (PyObject *)b) : NULL;
}

void fr_bridge_wake(PyObject *future)
{
	PyObject *done = PyObject_CallMethod(future, "done", NULL), *set = NULL;

	if (done == Py_False)
		set = PyObject_CallMethod(future, "set_result", "O", Py_None);
	Py_XDECREF(done);
	Py_XDECREF(set);
	if (PyErr_Occurred())
		PyErr_WriteUnraisable(future);
}

static void wake_all(struct fr_request *req, enum step_kind kind)
{
	PyObject **slot, *list;

	if (!req->bridge)
		return;
	slot = waiters((struct bridge *)req->bridge, (uint8_t)kind);
	list = *slot;
	*slot = NULL;
	for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++)
		fr_bridge_wake(PyList_GET_ITEM(list, i));
	Py_XDECREF(list);
}

void fr_bridge_wake_receive(struct fr_request *req)
{
	wake_all(req, STEP_RECEIVE);
}

void fr_bridge_wake_send(struct fr_request *req)
{
	wake_all(req, STEP_SEND);
}

void fr_bridge_detach(struct fr_request *req)
{
	struct bridge *b = (struct bridge *)req->bridge;

	if (!b)
		return;
	b->req = NULL;
	wake_all(req, STEP_RECEIVE);
	wake_all(req, STEP_SEND);
	Py_CLEAR(b->scope);
	req->bridge = NULL;
	Py_DECREF((PyObject *)b);
}

/* ---- the scope ---- */

/* (host, port), or (path, None). */
static PyObject *address(const char *host, int port)
{
	return port < 0 ? Py_BuildValue("(sO)", host, Py_None) : Py_BuildValue("(si)", host, port);
}

static PyObject *server_of(struct fr_bridge_names *n, struct fr_exchange *x)
{
	int port;
	const char *host = fr_exchange_server(x, &port);

	if (n->server_name && n->server_port == port && !strcmp(n->server_text, host))
		return Py_NewRef(n->server_name);
	if (strlen(host) < sizeof(n->server_text)) {
		Py_XSETREF(n->server_name, address(host, port));
		strcpy(n->server_text, host);
		n->server_port = port;
		return Py_XNewRef(n->server_name);
	}
	return address(host, port);
}

static PyObject *client_of(struct fr_exchange *x)
{
	int port;
	const char *host = fr_exchange_client(x, &port);

	return port < 0 ? Py_NewRef(Py_None) : address(host, port);
}

static PyObject *headers_list(const struct fr_input *in)
{
	PyObject *list = PyList_New((Py_ssize_t)in->nheaders);

	for (size_t i = 0; list && i < in->nheaders; i++) {
		const struct fr_header *h = &in->headers[i];
		PyObject *pair = Py_BuildValue("(y#y#)", h->name.p, (Py_ssize_t)h->name.len, h->value.p,
		                               (Py_ssize_t)h->value.len);

		if (!pair)
			Py_CLEAR(list);
		else
			PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
	}
	return list;
}

static PyObject *asgi_of(const struct fr_bridge_names *n)
{
	PyObject *asgi = PyDict_New();

	if (asgi && (PyDict_SetItem(asgi, n->version, n->v30) < 0 ||
	             PyDict_SetItem(asgi, n->spec_version, n->v23) < 0))
		Py_CLEAR(asgi);
	return asgi;
}

static PyObject *version_of(const struct fr_bridge_names *n, const struct fr_request *req)
{
	if (req->major == 1 && req->minor == 1)
		return Py_NewRef(n->http11);
	if (req->major == 1 && req->minor == 0)
		return Py_NewRef(n->http10);
	return PyUnicode_FromFormat("%d.%d", req->major, req->minor);
}

/* Sets scope[key] to value, whose reference it takes; NULL: an exception is set. */
static int put(PyObject *scope, PyObject *key, PyObject *value)
{
	int rc = value ? PyDict_SetItem(scope, key, value) : -1;

	Py_XDECREF(value);
	return rc;
}

static PyObject *bytes_of(struct fr_span span)
{
	return PyBytes_FromStringAndSize(span.p, (Py_ssize_t)span.len);
}

static int fill_scope(PyObject *scope, struct fr_request *req)
{
	struct fr_bridge_names *n = req->sock->names;
	const struct fr_input *in = &req->in;

	if (put(scope, n->type, Py_NewRef(n->http)) < 0 || put(scope, n->asgi, asgi_of(n)) < 0 ||
	    put(scope, n->http_version, version_of(n, req)) < 0 ||
	    put(scope, n->server, req->x ? server_of(n, req->x) : Py_NewRef(Py_None)) < 0 ||
	    put(scope, n->client, req->x ? client_of(req->x) : Py_NewRef(Py_None)) < 0 ||
	    put(scope, n->scheme, Py_NewRef(n->http)) < 0 ||
	    put(scope, n->root_path, PyUnicode_New(0, 0)) < 0 ||
	    put(scope, n->headers, headers_list(in)) < 0 ||
	    put(scope, n->state, PyDict_Copy(req->sock->lifespan_state)) < 0 ||
	    put(scope, n->method, fr_text(in->method_name.p, in->method_name.len)) < 0 ||
	    put(scope, n->path, fr_text(in->full_path.p, in->full_path.len)) < 0 ||
	    put(scope, n->raw_path, bytes_of(req->raw_path)) < 0 ||
	    put(scope, n->query_string, bytes_of(in->query)) < 0)
		return -1;
	return 0;
}

PyObject *fr_bridge_scope(struct fr_input *in)
{
	struct bridge *b = bridge_of(in);

	if (!b)
		return NULL;
	if (!b->scope) {
		b->scope = PyDict_New();
		if (b->scope && fill_scope(b->scope, b->req) < 0)
			Py_CLEAR(b->scope);
	}
	return Py_XNewRef(b->scope);
}

/* ---- names ---- */

static int register_coroutine(PyTypeObject *type)
{
	PyObject *abc = PyImport_ImportModule("collections.abc");
	PyObject *coroutine = abc ? PyObject_GetAttrString(abc, "Coroutine") : NULL;
	PyObject *done = coroutine ? PyObject_CallMethod(coroutine, "register", "O", type) : NULL;

	Py_XDECREF(abc);
	Py_XDECREF(coroutine);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

int fr_bridge_init(struct fr_socket *s)
{
	struct fr_bridge_names *n = PyMem_Calloc(1, sizeof(*n));

	if (!n) {
		PyErr_NoMemory();
		return -1;
	}
	s->names = n;
#define X(name) \
	if (!(n->name = PyUnicode_InternFromString(#name))) \
		return -1;
	NAMES(X)
#undef X
	n->v30 = PyUnicode_InternFromString("3.0");
	n->v23 = PyUnicode_InternFromString("2.3");
	n->http11 = PyUnicode_InternFromString("1.1");
	n->http10 = PyUnicode_InternFromString("1.0");
	n->request = PyUnicode_InternFromString("http.request");
	n->disconnect = PyUnicode_InternFromString("http.disconnect");
	n->start = PyUnicode_InternFromString("http.response.start");
	n->part = PyUnicode_InternFromString("http.response.body");
	n->empty = PyBytes_FromStringAndSize("", 0);
	n->bridge_type = (PyTypeObject *)PyType_FromSpec(&bridge_spec);
	n->step_type = (PyTypeObject *)PyType_FromSpec(&step_spec);
	if (!n->v30 || !n->v23 || !n->http11 || !n->http10 || !n->request || !n->disconnect ||
	    !n->start || !n->part || !n->empty || !n->bridge_type || !n->step_type)
		return -1;
	return register_coroutine(n->step_type);
}

void fr_bridge_fini(struct fr_socket *s)
{
	struct fr_bridge_names *n = s->names;

	if (!n)
		return;
#define X(name) Py_CLEAR(n->name);
	NAMES(X)
#undef X
	Py_CLEAR(n->v30);
	Py_CLEAR(n->v23);
	Py_CLEAR(n->http11);
	Py_CLEAR(n->http10);
	Py_CLEAR(n->request);
	Py_CLEAR(n->disconnect);
	Py_CLEAR(n->start);
	Py_CLEAR(n->part);
	Py_CLEAR(n->empty);
	Py_CLEAR(n->server_name);
	Py_CLEAR(n->bridge_type);
	Py_CLEAR(n->step_type);
	PyMem_Free(n);
	s->names = NULL;
}
