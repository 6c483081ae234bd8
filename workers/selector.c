#include "workers/selector.h"

#include <ev.h>
#include <stdbool.h>

#include "workers/gil.h"
#include "workers/watches.h"

/* As asyncio does: so many new timers are worth a turn that drops the cancelled ones. */
#define TIMERS_PER_TURN 100

struct selector {
	PyObject_HEAD struct ev_loop *ev;
	ev_timer timeout;
	struct fr_watches watches; /* what fired: since select() began */
	PyObject *loop; /* asyncio's */
	PyObject *ready; /* loop._ready */
	PyObject *scheduled; /* loop._scheduled as of this select() */
	PyObject *first; /* borrowed from it: its head */
	Py_ssize_t nscheduled;
	PyObject *name_scheduled, *name_stopping;
	bool timed_out, leave;
};

static void on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	((struct selector *)w->data)->timed_out = true;
}

static int check_open(struct selector *self)
{
	if (self->ev)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "the selector is closed");
	return -1;
}

static PyObject *selector_register(struct selector *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "fileobj", "events", "data", NULL };
	PyObject *fileobj, *data = Py_None;
	int events;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oi|O:register", names, &fileobj, &events,
	                                 &data) ||
	    check_open(self) < 0)
		return NULL;
	return fr_watches_register(&self->watches, fileobj, events, data);
}

static PyObject *selector_modify(struct selector *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "fileobj", "events", "data", NULL };
	PyObject *fileobj, *data = Py_None;
	int events;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oi|O:modify", names, &fileobj, &events,
	                                 &data) ||
	    check_open(self) < 0)
		return NULL;
	return fr_watches_modify(&self->watches, fileobj, events, data);
}

static PyObject *selector_unregister(struct selector *self, PyObject *fileobj)
{
	return check_open(self) < 0 ? NULL : fr_watches_unregister(&self->watches, fileobj);
}

static PyObject *selector_get_key(struct selector *self, PyObject *fileobj)
{
	return check_open(self) < 0 ? NULL : fr_watches_key(&self->watches, fileobj);
}

static PyObject *selector_get_map(struct selector *self, PyObject *unused)
{
	(void)unused;
	if (!self->ev)
		Py_RETURN_NONE;
	return Py_NewRef(self->watches.view);
}

static void close_loop(struct selector *self)
{
	if (!self->ev)
		return;
	fr_watches_close(&self->watches);
	ev_timer_stop(self->ev, &self->timeout);
	ev_loop_destroy(self->ev);
	self->ev = NULL;
}

static PyObject *selector_close(struct selector *self, PyObject *unused)
{
	(void)unused;
	close_loop(self);
	Py_RETURN_NONE;
}

/* Remembers what asyncio had to do when it came here. */
static int note_timers(struct selector *self)
{
	Py_CLEAR(self->scheduled);
	self->first = NULL;
	self->nscheduled = 0;
	if (!self->loop)
		return 0;
	self->scheduled = PyObject_GetAttr(self->loop, self->name_scheduled);
	if (!self->scheduled)
		return -1;
	if (PyList_Check(self->scheduled)) {
		self->nscheduled = PyList_GET_SIZE(self->scheduled);
		if (self->nscheduled > 0)
			self->first = PyList_GET_ITEM(self->scheduled, 0);
	}
	return 0;
}

/* Whether asyncio has something to do that it had not when it came here; or -1. */
static int asyncio_is_busy(struct selector *self)
{
	PyObject *stopping;
	Py_ssize_t n;
	int rc;

	if (!self->loop)
		return 0;
	n = PyObject_Size(self->ready);
	if (n != 0)
		return n < 0 ? -1 : 1;
	if (PyList_Check(self->scheduled)) {
		n = PyList_GET_SIZE(self->scheduled);
		if ((n > 0 ? PyList_GET_ITEM(self->scheduled, 0) : NULL) != self->first ||
		    n > self->nscheduled + TIMERS_PER_TURN)
			return 1;
	}
	stopping = PyObject_GetAttr(self->loop, self->name_stopping);
	if (!stopping)
		return -1;
	rc = PyObject_IsTrue(stopping);
	Py_DECREF(stopping);
	return rc;
}

static int run_once(struct selector *self, bool wait)
{
	int rc = 0;

	/*
	 * What was fed since the last time runs before libev waits, not inside of
	 * ev_run(): what it gives asyncio to do would have to wait, too.
	 */
	if (ev_pending_count(self->ev) > 0) {
		ev_invoke_pending(self->ev);
		if (wait && (self->watches.nfired || self->timed_out || self->leave))
			return 1;
		if (wait && fr_gil_held())
			rc = asyncio_is_busy(self);
		if (rc != 0)
			return rc;
	}
	fr_watches_settle(&self->watches);
	ev_run(self->ev, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
	if (fr_gil_interrupted()) {
		fr_gil_take();
		if (PyErr_CheckSignals() < 0)
			return -1;
		if (wait && !self->loop)
			return 1; /* as select() does when nobody retries for it */
	}
	if (!wait || self->watches.nfired || self->timed_out || self->leave)
		return 1;
	/* Only what ran with the GIL can have given asyncio work without waking it. */
	return fr_gil_held() ? asyncio_is_busy(self) : 0;
}

static PyObject *selector_select(struct selector *self, PyObject *const *args, Py_ssize_t nargs)
{
	bool wait = true;
	int rc;

	if (check_open(self) < 0)
		return NULL;
	self->timed_out = self->leave = false;
	if (nargs > 0 && args[0] != Py_None) {
		double timeout = PyFloat_AsDouble(args[0]);

		if (timeout == -1.0 && PyErr_Occurred())
			return NULL;
		if (timeout <= 0) {
			wait = false;
		} else {
			ev_now_update(self->ev);
			ev_timer_set(&self->timeout, timeout, 0.);
			ev_timer_start(self->ev, &self->timeout);
		}
	}
	rc = note_timers(self);
	while (rc == 0)
		rc = run_once(self, wait);
	fr_gil_take();
	ev_timer_stop(self->ev, &self->timeout);
	self->first = NULL;
	return rc < 0 ? NULL : fr_watches_take(&self->watches);
}

static PyObject *selector_enter(PyObject *self, PyObject *unused)
{
	(void)unused;
	return Py_NewRef(self);
}

static PyObject *selector_exit(struct selector *self, PyObject *args)
{
	(void)args;
	return selector_close(self, NULL);
}

static int selector_traverse(struct selector *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->loop);
	Py_VISIT(self->ready);
	Py_VISIT(self->scheduled);
	return fr_watches_traverse(&self->watches, visit, arg);
}

static int selector_clear(struct selector *self)
{
	fr_watches_clear(&self->watches);
	Py_CLEAR(self->loop);
	Py_CLEAR(self->ready);
	Py_CLEAR(self->scheduled);
	return 0;
}

static void selector_dealloc(struct selector *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	close_loop(self);
	selector_clear(self);
	Py_CLEAR(self->name_scheduled);
	Py_CLEAR(self->name_stopping);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef selector_methods[] = {
	{ "register", (PyCFunction)(void (*)(void))selector_register, METH_VARARGS | METH_KEYWORDS,
	  NULL },
	{ "modify", (PyCFunction)(void (*)(void))selector_modify, METH_VARARGS | METH_KEYWORDS,
	  NULL },
	{ "unregister", (PyCFunction)selector_unregister, METH_O, NULL },
	{ "get_key", (PyCFunction)selector_get_key, METH_O, NULL },
	{ "get_map", (PyCFunction)selector_get_map, METH_NOARGS, NULL },
	{ "select", (PyCFunction)(void (*)(void))selector_select, METH_FASTCALL, NULL },
	{ "close", (PyCFunction)selector_close, METH_NOARGS, NULL },
	{ "__enter__", selector_enter, METH_NOARGS, NULL },
	{ "__exit__", (PyCFunction)selector_exit, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot selector_slots[] = {
	{ Py_tp_dealloc, selector_dealloc },
	{ Py_tp_traverse, selector_traverse },
	{ Py_tp_clear, selector_clear },
	{ Py_tp_methods, selector_methods },
	{ Py_tp_doc, "asyncio's selector over the worker's libev loop" },
	{ 0, NULL },
};

static PyType_Spec selector_spec = {
	.name = "fastrapi._fastrapid.Selector",
	.basicsize = sizeof(struct selector),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = selector_slots,
};

PyObject *fr_selector_new(void)
{
	PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&selector_spec);
	struct selector *self = NULL;

	if (!type || !(self = PyObject_GC_New(struct selector, type)))
		goto out;
	memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
	ev_init(&self->timeout, on_timeout);
	self->timeout.data = self;
	self->name_scheduled = PyUnicode_InternFromString("_scheduled");
	self->name_stopping = PyUnicode_InternFromString("_stopping");
	self->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!self->ev)
		PyErr_SetString(PyExc_OSError, "libev can't make a loop over epoll");
	PyObject_GC_Track(self);
	if (!self->name_scheduled || !self->name_stopping || !self->ev ||
	    fr_watches_init(&self->watches, self->ev) < 0)
		Py_CLEAR(self);
	else
		fr_gil_attach(self->ev);
out:
	Py_XDECREF(type);
	return (PyObject *)self;
}

struct ev_loop *fr_selector_ev(PyObject *selector)
{
	return ((struct selector *)selector)->ev;
}

int fr_selector_attach(PyObject *selector, PyObject *loop)
{
	struct selector *self = (struct selector *)selector;
	PyObject *ready = PyObject_GetAttrString(loop, "_ready");

	if (!ready)
		return -1;
	Py_XSETREF(self->ready, ready);
	Py_XSETREF(self->loop, Py_NewRef(loop));
	return 0;
}

void fr_selector_leave(PyObject *selector)
{
	((struct selector *)selector)->leave = true;
}
