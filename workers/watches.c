#include "workers/watches.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <sys/stat.h>

/* selectors.EVENT_READ and EVENT_WRITE are libev's EV_READ and EV_WRITE. */
_Static_assert(EV_READ == 1 && EV_WRITE == 2, "asyncio's event bits are libev's");

#define FIRST_SIZE 64

/* One descriptor. */
struct fr_watched {
	ev_io io; /* io.data is the struct fr_watches */
	PyObject *key; /* selectors.SelectorKey; NULL: not registered */
	int events;
	int fired; /* of them, since the last take */
	bool listed; /* in the list of those that fired, though it may have been unregistered since */
	bool fresh;
};

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct fr_watches *w = io->data;
	struct fr_watched *one = (struct fr_watched *)io;

	(void)loop;
	if (revents & EV_ERROR)
		revents = EV_READ | EV_WRITE;
	if (!one->listed)
		w->fired[w->nfired++] = io->fd;
	one->listed = true;
	one->fired |= revents & one->events;
}

static struct fr_watched *find(const struct fr_watches *w, int fd)
{
	if (fd < 0 || (size_t)fd >= w->size || !w->list[fd] || !w->list[fd]->key)
		return NULL;
	return w->list[fd];
}

/* Room for fd, also in the lists of those that fired and that are fresh. */
static int make_room(struct fr_watches *w, int fd)
{
	size_t n = w->size ? w->size : FIRST_SIZE;
	struct fr_watched **list;
	int *fired, *fresh;

	if ((size_t)fd < w->size)
		return 0;
	while (n <= (size_t)fd)
		n *= 2;
	if (!(fired = PyMem_Realloc(w->fired, n * sizeof(*fired))))
		return -1;
	w->fired = fired;
	if (!(fresh = PyMem_Realloc(w->fresh, n * sizeof(*fresh))))
		return -1;
	w->fresh = fresh;
	if (!(list = PyMem_Realloc(w->list, n * sizeof(*list))))
		return -1;
	w->list = list;
	for (size_t i = w->size; i < n; i++)
		list[i] = NULL;
	w->size = n;
	return 0;
}

/* The one of fd, registered or not. */
static struct fr_watched *make(struct fr_watches *w, int fd)
{
	struct fr_watched *one;

	if (make_room(w, fd) < 0)
		goto fail;
	one = w->list[fd];
	if (!one) {
		one = PyMem_Calloc(1, sizeof(*one));
		if (!one)
			goto fail;
		ev_init(&one->io, on_io);
		one->io.data = w;
		w->list[fd] = one;
	}
	return one;
fail:
	PyErr_NoMemory();
	return NULL;
}

static PyObject *make_key(const struct fr_watches *w, PyObject *fileobj, int fd, int events,
                          PyObject *data)
{
	PyObject *key = NULL;
	PyObject *fields = Py_BuildValue("((OiiO))", fileobj, fd, events, data);

	if (fields)
		key = PyTuple_Type.tp_new((PyTypeObject *)w->key_type, fields, NULL);
	Py_XDECREF(fields);
	return key;
}

/* Puts a new key into the map and into one, and returns it. */
static PyObject *put_key(struct fr_watches *w, struct fr_watched *one, PyObject *fileobj, int fd,
                         int events, PyObject *data)
{
	PyObject *key = make_key(w, fileobj, fd, events, data);
	PyObject *number = key ? PyLong_FromLong(fd) : NULL;

	if (!number || PyDict_SetItem(w->map, number, key) < 0)
		Py_CLEAR(key);
	else
		Py_XSETREF(one->key, Py_NewRef(key));
	Py_XDECREF(number);
	return key;
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

/* The one of a registered file object, even of one that was closed since. */
static struct fr_watched *lookup(const struct fr_watches *w, PyObject *fileobj, int *ret_fd)
{
	struct fr_watched *one;
	int fd = fd_of(fileobj);

	if (fd < 0) {
		if (!PyErr_ExceptionMatches(PyExc_ValueError))
			return NULL;
		for (size_t i = 0; i < w->size; i++) {
			one = find(w, (int)i);
			if (one && PyTuple_GET_ITEM(one->key, 0) == fileobj) {
				PyErr_Clear();
				*ret_fd = (int)i;
				return one;
			}
		}
		return NULL;
	}
	one = find(w, fd);
	if (!one) {
		PyErr_Format(PyExc_KeyError, "%R is not registered", fileobj);
		return NULL;
	}
	*ret_fd = fd;
	return one;
}

static int check_events(int events)
{
	if (events && !(events & ~(EV_READ | EV_WRITE)))
		return 0;
	PyErr_Format(PyExc_ValueError, "Invalid events: %d", events);
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

static void start(struct fr_watches *w, struct fr_watched *one, int fd, int events)
{
	ev_io_stop(w->ev, &one->io);
	ev_io_set(&one->io, fd, events);
	one->events = events;
	one->fired &= events;
	ev_io_start(w->ev, &one->io);
	if (!one->fresh)
		w->fresh[w->nfresh++] = fd;
	one->fresh = true;
}

void fr_watches_settle(struct fr_watches *w)
{
	for (size_t i = 0; i < w->nfresh; i++) {
		struct fr_watched *one = w->list[w->fresh[i]];

		one->fresh = false;
		if (fcntl(w->fresh[i], F_GETFD) < 0)
			ev_io_stop(w->ev, &one->io);
	}
	w->nfresh = 0;
}

PyObject *fr_watches_register(struct fr_watches *w, PyObject *fileobj, int events, PyObject *data)
{
	struct fr_watched *one;
	PyObject *key;
	int fd;

	if (check_events(events) < 0 || (fd = fd_of(fileobj)) < 0)
		return NULL;
	if (find(w, fd))
		return PyErr_Format(PyExc_KeyError, "%R (FD %d) is already registered", fileobj,
		                    fd);
	if (check_pollable(fd) < 0 || !(one = make(w, fd)))
		return NULL;
	key = put_key(w, one, fileobj, fd, events, data);
	if (!key)
		return NULL;
	one->fired = 0;
	start(w, one, fd, events);
	return key;
}

PyObject *fr_watches_modify(struct fr_watches *w, PyObject *fileobj, int events, PyObject *data)
{
	struct fr_watched *one;
	PyObject *key;
	int fd;

	if (check_events(events) < 0 || !(one = lookup(w, fileobj, &fd)) || check_pollable(fd) < 0)
		return NULL;
	key = put_key(w, one, PyTuple_GET_ITEM(one->key, 0), fd, events, data);
	if (key && events != one->events)
		start(w, one, fd, events);
	return key;
}

PyObject *fr_watches_unregister(struct fr_watches *w, PyObject *fileobj)
{
	PyObject *key, *number;
	struct fr_watched *one;
	int fd;

	if (!(one = lookup(w, fileobj, &fd)))
		return NULL;
	number = PyLong_FromLong(fd);
	if (!number || PyDict_DelItem(w->map, number) < 0) {
		Py_XDECREF(number);
		return NULL;
	}
	Py_DECREF(number);
	ev_io_stop(w->ev, &one->io);
	one->fired = 0;
	key = one->key;
	one->key = NULL;
	return key;
}

PyObject *fr_watches_key(struct fr_watches *w, PyObject *fileobj)
{
	struct fr_watched *one;
	int fd;

	one = lookup(w, fileobj, &fd);
	return one ? Py_NewRef(one->key) : NULL;
}

PyObject *fr_watches_take(struct fr_watches *w)
{
	PyObject *list = PyList_New(0);

	for (size_t i = 0; i < w->nfired; i++) {
		struct fr_watched *one = w->list[w->fired[i]];
		PyObject *pair;
		int rc;

		one->listed = false;
		if (!one->key || !one->fired)
			continue;
		pair = list ? Py_BuildValue("(Oi)", one->key, one->fired) : NULL;
		one->fired = 0;
		if (!list)
			continue;
		rc = pair ? PyList_Append(list, pair) : -1;
		Py_XDECREF(pair);
		if (rc < 0)
			Py_CLEAR(list);
	}
	w->nfired = 0;
	return list;
}

int fr_watches_init(struct fr_watches *w, struct ev_loop *ev)
{
	PyObject *selectors = PyImport_ImportModule("selectors");

	*w = (struct fr_watches){ .ev = ev };
	if (!selectors)
		return -1;
	w->key_type = PyObject_GetAttrString(selectors, "SelectorKey");
	Py_DECREF(selectors);
	w->map = w->key_type ? PyDict_New() : NULL;
	w->view = w->map ? PyDictProxy_New(w->map) : NULL;
	return w->view ? 0 : -1;
}

void fr_watches_close(struct fr_watches *w)
{
	for (size_t i = 0; i < w->size; i++) {
		struct fr_watched *one = w->list[i];

		if (!one)
			continue;
		w->list[i] = NULL;
		ev_io_stop(w->ev, &one->io);
		Py_CLEAR(one->key);
		PyMem_Free(one);
	}
	PyMem_Free(w->list);
	PyMem_Free(w->fired);
	PyMem_Free(w->fresh);
	w->list = NULL;
	w->fired = w->fresh = NULL;
	w->size = w->nfired = w->nfresh = 0;
	w->ev = NULL;
	if (w->map)
		PyDict_Clear(w->map);
}

int fr_watches_traverse(struct fr_watches *w, visitproc visit, void *arg)
{
	Py_VISIT(w->map);
	Py_VISIT(w->view);
	Py_VISIT(w->key_type);
	for (size_t i = 0; i < w->size; i++)
		if (w->list[i])
			Py_VISIT(w->list[i]->key);
	return 0;
}

void fr_watches_clear(struct fr_watches *w)
{
	Py_CLEAR(w->map);
	Py_CLEAR(w->view);
	Py_CLEAR(w->key_type);
}
