#include "workers/lifespan.h"

#include <string.h>

/* What the application holds of us: receive() and send(). */
struct side {
	PyObject_HEAD PyObject *startup; /* future: the first message */
	PyObject *shutdown; /* future: the second one */
	PyObject *never; /* future: there is no third */
	PyObject *started; /* future: None, or the text of a failure */
	PyObject *stopped; /* future: likewise */
	PyObject *sent; /* a future that is done: what send() gives back */
	int received;
};

static int settle(PyObject *future, PyObject *value)
{
	PyObject *done = PyObject_CallMethod(future, "done", NULL);
	PyObject *set = NULL;
	int rc = done ? PyObject_IsTrue(done) : -1;

	Py_XDECREF(done);
	if (rc == 0) {
		set = PyObject_CallMethod(future, "set_result", "O", value);
		rc = set ? 0 : -1;
		Py_XDECREF(set);
	}
	return rc < 0 ? -1 : 0;
}

static PyObject *side_receive(struct side *self, PyObject *unused)
{
	(void)unused;
	switch (self->received++) {
	case 0:
		return Py_NewRef(self->startup);
	case 1:
		return Py_NewRef(self->shutdown);
	default:
		self->received = 2;
		return Py_NewRef(self->never);
	}
}

static PyObject *side_send(struct side *self, PyObject *message)
{
	PyObject *type = PyMapping_GetItemString(message, "type");
	const char *name = type ? PyUnicode_AsUTF8(type) : NULL;
	PyObject *future = NULL, *value = NULL;
	int rc = -1;

	if (!name)
		goto out;
	if (!strncmp(name, "lifespan.startup.", 17))
		future = self->started;
	else if (!strncmp(name, "lifespan.shutdown.", 18))
		future = self->stopped;
	if (future && !strcmp(strrchr(name, '.'), ".complete")) {
		rc = settle(future, Py_None);
	} else if (future && !strcmp(strrchr(name, '.'), ".failed")) {
		value = PyMapping_GetItemString(message, "message");
		if (!value) {
			PyErr_Clear();
			value = PyUnicode_FromString("");
		}
		rc = value ? settle(future, value) : -1;
	} else {
		PyErr_Format(PyExc_RuntimeError, "Unexpected ASGI message %R in lifespan", type);
	}
out:
	Py_XDECREF(type);
	Py_XDECREF(value);
	return rc < 0 ? NULL : Py_NewRef(self->sent);
}

static int side_traverse(struct side *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->startup);
	Py_VISIT(self->shutdown);
	Py_VISIT(self->never);
	Py_VISIT(self->started);
	Py_VISIT(self->stopped);
	Py_VISIT(self->sent);
	return 0;
}

static int side_clear(struct side *self)
{
	Py_CLEAR(self->startup);
	Py_CLEAR(self->shutdown);
	Py_CLEAR(self->never);
	Py_CLEAR(self->started);
	Py_CLEAR(self->stopped);
	Py_CLEAR(self->sent);
	return 0;
}

static void side_dealloc(struct side *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	side_clear(self);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef side_methods[] = {
	{ "receive", (PyCFunction)side_receive, METH_NOARGS, NULL },
	{ "send", (PyCFunction)side_send, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot side_slots[] = {
	{ Py_tp_dealloc, side_dealloc },
	{ Py_tp_traverse, side_traverse },
	{ Py_tp_clear, side_clear },
	{ Py_tp_methods, side_methods },
	{ 0, NULL },
};

static PyType_Spec side_spec = {
	.name = "fastrapi._fastrapid.Lifespan",
	.basicsize = sizeof(struct side),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = side_slots,
};

static PyObject *future_with(PyObject *loop, const char *type)
{
	PyObject *future = PyObject_CallMethod(loop, "create_future", NULL);
	PyObject *message = type ? Py_BuildValue("{ss}", "type", type) : NULL;

	if (future && type && (!message || settle(future, message) < 0))
		Py_CLEAR(future);
	Py_XDECREF(message);
	return future;
}

static PyObject *side_new(PyObject *loop)
{
	PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&side_spec);
	struct side *self = type ? PyObject_GC_New(struct side, type) : NULL;

	Py_XDECREF(type);
	if (!self)
		return NULL;
	self->received = 0;
	self->startup = future_with(loop, "lifespan.startup");
	self->shutdown = future_with(loop, NULL);
	self->never = future_with(loop, NULL);
	self->started = future_with(loop, NULL);
	self->stopped = future_with(loop, NULL);
	self->sent = future_with(loop, NULL);
	PyObject_GC_Track(self);
	if (!self->startup || !self->shutdown || !self->never || !self->started || !self->stopped ||
	    !self->sent || settle(self->sent, Py_None) < 0)
		Py_CLEAR(self);
	return (PyObject *)self;
}

/* Runs the loop until one of the two is done, or the time is over (0: for ever). */
static int wait_first(struct fr_lifespan *l, PyObject *future, double timeout)
{
	PyObject *asyncio = PyImport_ImportModule("asyncio");
	PyObject *wait = asyncio ? PyObject_GetAttrString(asyncio, "wait") : NULL;
	PyObject *args = Py_BuildValue("((OO))", l->task, future);
	PyObject *kwargs = Py_BuildValue("{ssss}", "return_when", "FIRST_COMPLETED", "timeout", "");
	PyObject *time = timeout > 0 ? PyFloat_FromDouble(timeout) : Py_NewRef(Py_None);
	PyObject *coro = NULL, *result = NULL;

	if (wait && args && kwargs && time && PyDict_SetItemString(kwargs, "timeout", time) == 0)
		coro = PyObject_Call(wait, args, kwargs);
	result = fr_loop_run_until(l->loop, coro);
	Py_XDECREF(asyncio);
	Py_XDECREF(wait);
	Py_XDECREF(args);
	Py_XDECREF(kwargs);
	Py_XDECREF(time);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

static int is_done(PyObject *future)
{
	PyObject *done = PyObject_CallMethod(future, "done", NULL);
	int rc = done ? PyObject_IsTrue(done) : -1;

	Py_XDECREF(done);
	return rc;
}

/* What became of a phase: 0, or -1 and an exception. */
static int outcome(struct fr_lifespan *l, PyObject *future, const char *phase)
{
	PyObject *value;
	int done = is_done(future);

	if (done < 0)
		return -1;
	if (done) {
		value = PyObject_CallMethod(future, "result", NULL);
		if (value && value != Py_None)
			PyErr_Format(PyExc_RuntimeError, "lifespan %s failed\n%S", phase, value);
		Py_XDECREF(value);
		return value == Py_None ? 0 : -1;
	}
	done = is_done(l->task);
	if (done < 0)
		return -1;
	if (!done) {
		PyErr_Format(PyExc_TimeoutError, "lifespan %s did not end in time", phase);
		return -1;
	}
	/* It returned without a word: then it has no use for the protocol. */
	value = PyObject_CallMethod(l->task, "result", NULL);
	Py_XDECREF(value);
	return value ? 0 : -1;
}

/* The failure was told by a message; the task's own exception is the same one. */
static void retrieve(PyObject *task)
{
	PyObject *exc = fr_exc_take(), *value = NULL;

	if (is_done(task) == 1)
		value = PyObject_CallMethod(task, "exception", NULL);
	Py_XDECREF(value);
	PyErr_Clear();
	if (exc)
		fr_exc_set(exc);
}

/* asyncio.ensure_future(coro, loop=loop): an application may be any awaitable. */
static PyObject *start_future(PyObject *asyncio, PyObject *coro, PyObject *loop)
{
	PyObject *ensure = PyObject_GetAttrString(asyncio, "ensure_future");
	PyObject *args = PyTuple_Pack(1, coro), *kwargs = Py_BuildValue("{sO}", "loop", loop);
	PyObject *task = ensure && args && kwargs ? PyObject_Call(ensure, args, kwargs) : NULL;

	Py_XDECREF(ensure);
	Py_XDECREF(args);
	Py_XDECREF(kwargs);
	return task;
}

int fr_lifespan_start(struct fr_lifespan *l, struct fr_loop *loop, PyObject *app)
{
	PyObject *asyncio = NULL, *scope = NULL, *receive = NULL, *send = NULL, *coro = NULL;
	int rc = -1;

	*l = (struct fr_lifespan){ .loop = loop };
	asyncio = PyImport_ImportModule("asyncio");
	l->state = PyDict_New();
	l->side = side_new(loop->loop);
	if (!asyncio || !l->state || !l->side)
		goto out;
	scope = Py_BuildValue("{sss{ssss}sO}", "type", "lifespan", "asgi", "version", "3.0",
	                      "spec_version", "2.0", "state", l->state);
	receive = PyObject_GetAttrString(l->side, "receive");
	send = PyObject_GetAttrString(l->side, "send");
	if (!scope || !receive || !send)
		goto out;
	coro = PyObject_CallFunctionObjArgs(app, scope, receive, send, NULL);
	if (!coro)
		goto out;
	l->task = start_future(asyncio, coro, loop->loop);
	if (!l->task)
		goto out;
	if (wait_first(l, ((struct side *)l->side)->started, 0) < 0)
		goto out;
	rc = outcome(l, ((struct side *)l->side)->started, "start-up");
	if (rc < 0)
		retrieve(l->task);
out:
	Py_XDECREF(asyncio);
	Py_XDECREF(scope);
	Py_XDECREF(receive);
	Py_XDECREF(send);
	Py_XDECREF(coro);
	return rc;
}

int fr_lifespan_stop(struct fr_lifespan *l, double timeout)
{
	struct side *side = (struct side *)l->side;
	PyObject *message;
	int rc;

	if (!l->task || is_done(l->task) != 0)
		return PyErr_Occurred() ? -1 : 0;
	message = Py_BuildValue("{ss}", "type", "lifespan.shutdown");
	rc = message ? settle(side->shutdown, message) : -1;
	Py_XDECREF(message);
	if (rc == 0)
		rc = wait_first(l, side->stopped, timeout);
	if (rc == 0)
		rc = outcome(l, side->stopped, "shutdown");
	/* Let the task itself come to its end. */
	if (rc == 0 && is_done(l->task) == 0)
		rc = wait_first(l, l->task, timeout);
	retrieve(l->task);
	return rc;
}

void fr_lifespan_fini(struct fr_lifespan *l)
{
	Py_CLEAR(l->task);
	Py_CLEAR(l->side);
	Py_CLEAR(l->state);
}
