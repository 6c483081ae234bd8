/* ASGI's receive and send for a request that came over a socket: what is awaited. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "workers/bridge.h"
#include "workers/websocket.h"

enum step_kind { STEP_RECEIVE, STEP_SEND };

/* One call of receive() or send(), to be awaited: a coroutine in C. */
struct step {
	PyObject_HEAD struct fr_bridge *bridge;
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

/* Takes what came of a streamed body: bytes, or NULL and an exception. Goes on reading. */
static PyObject *take_body(struct fr_request *req)
{
	PyObject *bytes;

	if (!req->stream && req->x) {
		struct fr_bytes body = fr_exchange_body(req->x);

		return PyBytes_FromStringAndSize(body.p, (Py_ssize_t)body.len);
	}
	bytes = PyBytes_FromStringAndSize(req->body, (Py_ssize_t)req->body_len);
	if (!bytes)
		return NULL;
	req->body_len = 0;
	if (req->paused && req->x) {
		req->paused = false;
		fr_exchange_resume(req->x);
	}
	return bytes;
}

/* 1 and the message; 0: nothing yet; -1 and an exception. */
static int receive_try(struct fr_bridge *b, PyObject **ret)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_request *req = b->req;
	PyObject *body, *message;

	if (b->websocket)
		return fr_websocket_receive(b, ret);
	if (!req || !req->x || req->completed || (req->left && b->body_given)) {
		*ret = disconnected(n);
		return *ret ? 1 : -1;
	}
	if (b->body_given || (req->stream && req->body_len == 0 && !req->body_ended))
		return 0;
	body = take_body(req);
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

/* As fr_bridge_message(). */
static int send_try(struct fr_bridge *b, struct step *step, PyObject **ret)
{
	if (!step->acted) {
		int rc = fr_bridge_message(b, step->message);

		if (rc < 0)
			return -1;
		step->acted = true;
		if (rc != FR_SENT_GO_ON)
			return rc;
	}
	*ret = Py_NewRef(Py_None);
	return 1;
}

/* ---- steps: what is awaited ---- */

static PyObject **waiters(struct fr_bridge *b, uint8_t kind)
{
	return kind == STEP_RECEIVE ? &b->receivers : &b->senders;
}

/* Starts to wait: a future on the list, and its iterator. */
static int step_wait(struct step *self)
{
	struct fr_bridge *b = self->bridge;
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
		rc = self->kind == STEP_RECEIVE ? receive_try(self->bridge, ret)
		                                : send_try(self->bridge, self, ret);
		if (rc == FR_SENT_YIELD) {
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
	{ Py_tp_dealloc, step_dealloc }, { Py_tp_traverse, step_traverse },
	{ Py_tp_methods, step_methods }, { Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, step_next },   { Py_am_await, PyObject_SelfIter },
	{ Py_am_send, step_am_send },    { 0, NULL },
};

static PyType_Spec step_spec = {
	.name = "fastrapi._fastrapid.Step",
	.basicsize = sizeof(struct step),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = step_slots,
};

static PyObject *step_new(struct fr_bridge *b, enum step_kind kind, PyObject *message)
{
	struct step *self = PyObject_GC_New(struct step, b->sock->names->step_type);

	if (!self)
		return NULL;
	self->bridge = (struct fr_bridge *)Py_NewRef((PyObject *)b);
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
	return step_new((struct fr_bridge *)self, STEP_RECEIVE, NULL);
}

static PyObject *bridge_send(PyObject *self, PyObject *message)
{
	return step_new((struct fr_bridge *)self, STEP_SEND, message);
}

static PyMethodDef receive_def = { "receive", bridge_receive, METH_NOARGS, NULL };
static PyMethodDef send_def = { "send", bridge_send, METH_O, NULL };

static int bridge_traverse(struct fr_bridge *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->receivers);
	Py_VISIT(self->senders);
	Py_VISIT(self->scope);
	return 0;
}

static int bridge_clear(struct fr_bridge *self)
{
	Py_CLEAR(self->receivers);
	Py_CLEAR(self->senders);
	Py_CLEAR(self->scope);
	return 0;
}

static void bridge_dealloc(struct fr_bridge *self)
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
	.basicsize = sizeof(struct fr_bridge),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = bridge_slots,
};

/* The request's bridge, made at first need; borrowed. */
struct fr_bridge *fr_bridge_of(struct fr_input *in)
{
	struct fr_request *req = (struct fr_request *)in;
	struct fr_bridge *b = (struct fr_bridge *)req->bridge;

	if (b)
		return b;
	b = PyObject_GC_New(struct fr_bridge, req->sock->names->bridge_type);
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
	struct fr_bridge *b = fr_bridge_of(in);

	return b ? PyCFunction_New(&receive_def, (PyObject *)b) : NULL;
}

PyObject *fr_bridge_send(struct fr_input *in)
{
	struct fr_bridge *b = fr_bridge_of(in);

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
	slot = waiters((struct fr_bridge *)req->bridge, (uint8_t)kind);
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
	struct fr_bridge *b = (struct fr_bridge *)req->bridge;

	if (!b)
		return;
	b->req = NULL;
	wake_all(req, STEP_RECEIVE);
	wake_all(req, STEP_SEND);
	Py_CLEAR(b->scope);
	req->bridge = NULL;
	Py_DECREF((PyObject *)b);
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
#define X(name)                                                                                    \
	if (!(n->name = PyUnicode_InternFromString(#name)))                                        \
		return -1;
	FR_BRIDGE_NAMES(X)
#undef X
#define X(name, text)                                                                              \
	if (!(n->name = PyUnicode_InternFromString(text)))                                         \
		return -1;
	FR_BRIDGE_TEXTS(X)
#undef X
	n->empty = PyBytes_FromStringAndSize("", 0);
	n->bridge_type = (PyTypeObject *)PyType_FromSpec(&bridge_spec);
	n->step_type = (PyTypeObject *)PyType_FromSpec(&step_spec);
	if (!n->empty || !n->bridge_type || !n->step_type)
		return -1;
	return register_coroutine(n->step_type);
}

void fr_bridge_fini(struct fr_socket *s)
{
	struct fr_bridge_names *n = s->names;

	if (!n)
		return;
#define X(name) Py_CLEAR(n->name);
	FR_BRIDGE_NAMES(X)
#undef X
#define X(name, text) Py_CLEAR(n->name);
	FR_BRIDGE_TEXTS(X)
#undef X
	Py_CLEAR(n->empty);
	Py_CLEAR(n->server_name);
	Py_CLEAR(n->bridge_type);
	Py_CLEAR(n->step_type);
	PyMem_Free(n);
	s->names = NULL;
}
