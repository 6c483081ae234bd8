#include "workers/selector.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "workers/gil.h"

/* selectors.EVENT_READ and EVENT_WRITE are libev's EV_READ and EV_WRITE. */
_Static_assert(EV_READ == 1 && EV_WRITE == 2, "asyncio's event bits are libev's");

/* As asyncio does: so many new timers are worth a turn that drops the cancelled ones. */
#define TIMERS_PER_TURN 100

struct selector;

/* One descriptor of asyncio's. */
struct watch {
	ev_io io; /* io.data is the selector */
	PyObject *key; /* selectors.SelectorKey; NULL: not registered */
	int events;
	int fired;
};

struct selector {
	PyObject_HEAD struct ev_loop *ev;
	ev_timer timeout;
	struct watch **watches; /* by descriptor */
	size_t nwatches;
	int *fired; /* descriptors that fired since select() began */
	size_t nfired, capfired;
	PyObject *map; /* dict: descriptor -> SelectorKey */
	PyObject *view; /* read-only view of map */
	PyObject *key_type;
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

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct selector *self = w->data;
	struct watch *watch = (struct watch *)w;

	(void)loop;
	if (revents & EV_ERROR)
		revents = EV_READ | EV_WRITE;
	if (!watch->fired)
		self->fired[self->nfired++] = w->fd;
	watch->fired |= revents & watch->events;
}

static struct watch *find_watch(const struct selector *self, int fd)
{
	if (fd < 0 || (size_t)fd >= self->nwatches || !self->watches[fd] || !self->watches[fd]->key)
		return NULL;
	return self->watches[fd];
}

/* The watch of fd, registered or not; makes room for it and for its firing. */
static struct watch *make_watch(struct selector *self, int fd)
{
	struct watch *watch;

	if ((size_t)fd >= self->nwatches) {
		size_t n = self->nwatches ? self->nwatches : 64;
		while (n <= (size_t)fd)
			n *= 2;
		struct watch **watches = PyMem_Realloc(self->watches, n * sizeof(*watches));
		if (!watches)
			goto fail;
		self->watches = watches;
		for (size_t i = self->nwatches; i < n; i++)
			watches[i] = NULL;
		self->nwatches = n;
	}
	if (self->capfired < self->nwatches) {
		int *fired = PyMem_Realloc(self->fired, self->nwatches * sizeof(*fired));
		if (!fired)
			goto fail;
		self->fired = fired;
		self->capfired = self->nwatches;
	}
	watch = self->watches[fd];
	if (!watch) {
		watch = PyMem_Calloc(1, sizeof(*watch));
		if (!watch)
			goto fail;
		ev_init(&watch->io, on_io);
		watch->io.data = self;
		self->watches[fd] = watch;
	}
	return watch;
fail:
	PyErr_NoMemory();
	return NULL;
}

static PyObject *make_key(struct selector *self, PyObject *fileobj, int fd, int events,
                          PyObject *data)
{
	PyObject *key = NULL;
	PyObject *fields = Py_BuildValue("((OiiO))", fileobj, fd, events, data);

	if (fields)
		key = PyTuple_Type.tp_new((PyTypeObject *)self->key_type, fields, NULL);
	Py_XDECREF(fields);
	return key;
}

/* Puts key into the map and into the watch; steals nothing. */
static int store_key(struct selector *self, struct watch *watch, int fd, PyObject *key)
{
	PyObject *number = PyLong_FromLong(fd);
	int rc = number ? PyDict_SetItem(self->map, number, key) : -1;

	Py_XDECREF(number);
	if (rc == 0)
		Py_XSETREF(watch->key, Py_NewRef(key));
	return rc;
}

static int fd_of(PyObject *fileobj)
{
	int fd = PyObject_AsFileDescriptor(fileobj);

	if (fd < 0 && PyErr_ExceptionMatches(PyExc_TypeError)) {
		PyErr_Clear();
		PyErr_Format(PyExc_ValueError, "Invalid file object: %R", fileobj);
	}
	return fd;
}

/* The descriptor of a registered file object, even one that was closed since. */
static struct watch *lookup(struct selector *self, PyObject *fileobj, int *ret_fd)
{
	struct watch *watch;
	int fd = fd_of(fileobj);

	if (fd < 0) {
		if (!PyErr_ExceptionMatches(PyExc_ValueError))
			return NULL;
		for (size_t i = 0; i < self->nwatches; i++) {
			watch = find_watch(self, (int)i);
			if (watch && PyTuple_GET_ITEM(watch->key, 0) == fileobj) {
				PyErr_Clear();
				*ret_fd = (int)i;
				return watch;
			}
		}
		return NULL;
	}
	watch = find_watch(self, fd);
	if (!watch) {
		PyErr_Format(PyExc_KeyError, "%R is not registered", fileobj);
		return NULL;
	}
	*ret_fd = fd;
	return watch;
}

static int check_events(int events)
{
	if (events && !(events & ~(EV_READ | EV_WRITE)))
		return 0;
	PyErr_Format(PyExc_ValueError, "Invalid events: %d", events);
	return -1;
}

static int check_open(struct selector *self)
{
	if (self->ev)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "the selector is closed");
	return -1;
}

/* epoll refuses regular files; libev would spin on them. */
static int check_pollable(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		errno = EPERM;
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	return 0;
}

static void watch_start(struct selector *self, struct watch *watch, int fd, int events)
{
	ev_io_stop(self->ev, &watch->io);
	ev_io_set(&watch->io, fd, events);
	watch->events = events;
	watch->fired &= events;
	ev_io_start(self->ev, &watch->io);
}

static PyObject *selector_register(struct selector *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "fileobj", "events", "data", NULL };
	PyObject *fileobj, *data = Py_None, *key;
	struct watch *watch;
	int events, fd;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oi|O:register", names, &fileobj, &events,
	                                 &data))
		return NULL;
	if (check_open(self) < 0 || check_events(events) < 0 || (fd = fd_of(fileobj)) < 0)
		return NULL;
	if (find_watch(self, fd))
		return PyErr_Format(PyExc_KeyError, "%R (FD %d) is already registered", fileobj,
		                    fd);
	if (check_pollable(fd) < 0 || !(watch = make_watch(self, fd)))
		return NULL;
	key = make_key(self, fileobj, fd, events, data);
	if (!key)
		return NULL;
	if (store_key(self, watch, fd, key) < 0) {
		Py_DECREF(key);
		return NULL;
	}
	watch->fired = 0;
	watch_start(self, watch, fd, events);
	return key;
}

static PyObject *selector_modify(struct selector *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "fileobj", "events", "data", NULL };
	PyObject *fileobj, *data = Py_None, *key;
	struct watch *watch;
	int events, fd;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oi|O:modify", names, &fileobj, &events,
	                                 &data))
		return NULL;
	if (check_open(self) < 0 || check_events(events) < 0 ||
	    !(watch = lookup(self, fileobj, &fd)))
		return NULL;
	key = make_key(self, PyTuple_GET_ITEM(watch->key, 0), fd, events, data);
	if (!key)
		return NULL;
	if (store_key(self, watch, fd, key) < 0) {
		Py_DECREF(key);
		return NULL;
	}
	if (events != watch->events)
		watch_start(self, watch, fd, events);
	return key;
}

static PyObject *selector_unregister(struct selector *self, PyObject *fileobj)
{
	PyObject *key, *number;
	struct watch *watch;
	int fd;

	if (check_open(self) < 0 || !(watch = lookup(self, fileobj, &fd)))
		return NULL;
	number = PyLong_FromLong(fd);
	if (!number || PyDict_DelItem(self->map, number) < 0) {
		Py_XDECREF(number);
		return NULL;
	}
	Py_DECREF(number);
	ev_io_stop(self->ev, &watch->io);
	watch->fired = 0;
	key = watch->key;
	watch->key = NULL;
	return key;
}

static PyObject *selector_get_key(struct selector *self, PyObject *fileobj)
{
	struct watch *watch;
	int fd;

	if (check_open(self) < 0 || !(watch = lookup(self, fileobj, &fd)))
		return NULL;
	return Py_NewRef(watch->key);
}

static PyObject *selector_get_map(struct selector *self, PyObject *unused)
{
	(void)unused;
	if (!self->ev)
		Py_RETURN_NONE;
	return Py_NewRef(self->view);
}

static void close_loop(struct selector *self)
{
	for (size_t i = 0; i < self->nwatches; i++) {
		struct watch *watch = self->watches[i];
		if (!watch)
			continue;
		if (self->ev)
			ev_io_stop(self->ev, &watch->io);
		Py_CLEAR(watch->key);
		PyMem_Free(watch);
	}
	PyMem_Free(self->watches);
	PyMem_Free(self->fired);
	self->watches = NULL;
	self->fired = NULL;
	self->nwatches = self->nfired = self->capfired = 0;
	if (self->ev) {
		ev_timer_stop(self->ev, &self->timeout);
		ev_loop_destroy(self->ev);
		self->ev = NULL;
	}
}

static PyObject *selector_close(struct selector *self, PyObject *unused)
{
	(void)unused;
	close_loop(self);
	PyDict_Clear(self->map);
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
	if (wait && ev_pending_count(self->ev) > 0) {
		ev_invoke_pending(self->ev);
		if (self->nfired || self->timed_out || self->leave)
			return 1;
		if (fr_gil_held())
			rc = asyncio_is_busy(self);
		if (rc != 0)
			return rc;
	}
	ev_run(self->ev, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
	if (fr_gil_interrupted()) {
		fr_gil_take();
		if (PyErr_CheckSignals() < 0)
			return -1;
		if (wait && !self->loop)
			return 1; /* as select() does when nobody retries for it */
	}
	if (!wait || self->nfired || self->timed_out || self->leave)
		return 1;
	/* Only what ran with the GIL can have given asyncio work without waking it. */
	return fr_gil_held() ? asyncio_is_busy(self) : 0;
}

static PyObject *collect(struct selector *self)
{
	PyObject *list = PyList_New(0);

	for (size_t i = 0; i < self->nfired; i++) {
		struct watch *watch = find_watch(self, self->fired[i]);
		PyObject *pair;
		int rc;

		if (!watch || !watch->fired)
			continue;
		pair = list ? Py_BuildValue("(Oi)", watch->key, watch->fired) : NULL;
		watch->fired = 0;
		if (!list)
			continue;
		rc = pair ? PyList_Append(list, pair) : -1;
		Py_XDECREF(pair);
		if (rc < 0)
			Py_CLEAR(list);
	}
	self->nfired = 0;
	return list;
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
	return rc < 0 ? NULL : collect(self);
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
	Py_VISIT(self->map);
	Py_VISIT(self->view);
	Py_VISIT(self->key_type);
	Py_VISIT(self->loop);
	Py_VISIT(self->ready);
	Py_VISIT(self->scheduled);
	for (size_t i = 0; i < self->nwatches; i++)
		if (self->watches[i])
			Py_VISIT(self->watches[i]->key);
	return 0;
}

static int selector_clear(struct selector *self)
{
	Py_CLEAR(self->map);
	Py_CLEAR(self->view);
	Py_CLEAR(self->key_type);
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
	PyObject *selectors = PyImport_ImportModule("selectors");
	PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&selector_spec);
	struct selector *self = NULL;

	if (!selectors || !type || !(self = PyObject_GC_New(struct selector, type)))
		goto out;
	memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
	ev_init(&self->timeout, on_timeout);
	self->timeout.data = self;
	self->map = PyDict_New();
	self->view = self->map ? PyDictProxy_New(self->map) : NULL;
	self->key_type = PyObject_GetAttrString(selectors, "SelectorKey");
	self->name_scheduled = PyUnicode_InternFromString("_scheduled");
	self->name_stopping = PyUnicode_InternFromString("_stopping");
	self->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!self->ev)
		PyErr_SetString(PyExc_OSError, "libev can't make a loop over epoll");
	PyObject_GC_Track(self);
	if (!self->view || !self->key_type || !self->name_scheduled || !self->name_stopping ||
	    !self->ev)
		Py_CLEAR(self);
	else
		fr_gil_attach(self->ev);
out:
	Py_XDECREF(selectors);
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
