#include "workers/gil.h"

#include <errno.h>
#include <ev.h>

#define MAX_DEFERRED 256

PyThreadState *fr_gil_resting;
static bool interrupted;
static PyObject *deferred[MAX_DEFERRED]; /* references to give up */
static size_t ndeferred;

static void on_release(struct ev_loop *loop) EV_NOEXCEPT
{
	(void)loop;
	if (fr_gil_held())
		fr_gil_resting = PyEval_SaveThread();
	errno = 0; /* so that on_acquire can tell why the wait ended */
}

/* Called right after the wait, with its errno. */
static void on_acquire(struct ev_loop *loop) EV_NOEXCEPT
{
	(void)loop;
	if (errno == EINTR)
		interrupted = true;
}

void fr_gil_attach(struct ev_loop *loop)
{
	ev_set_loop_release_cb(loop, on_release, on_acquire);
}

bool fr_gil_interrupted(void)
{
	bool was = interrupted;

	interrupted = false;
	return was;
}

void fr_gil_decref(PyObject *object)
{
	if (!fr_gil_held() && ndeferred == MAX_DEFERRED)
		fr_gil_take();
	if (fr_gil_held())
		Py_DECREF(object);
	else
		deferred[ndeferred++] = object;
}

void fr_gil_flush(void)
{
	/* A finalizer may run here, but it can't come back: nothing waits while the GIL is held. */
	while (ndeferred > 0)
		Py_DECREF(deferred[--ndeferred]);
}
