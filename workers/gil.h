/*
 * The GIL as the worker's loop keeps it: dropped while libev waits, taken
 * again at the first call into Python.
 *
 * The thread that owns the loop calls all of it.  Code that runs from a
 * libev callback and needs Python says fr_gil_take() first, as often as it
 * likes; nobody gives it back but the loop, before it waits.
 */
#ifndef FR_WORKERS_GIL_H
#define FR_WORKERS_GIL_H

#include "workers/python.h"

#include <stdbool.h>

struct ev_loop;

/* Where the thread state rests while the GIL is dropped; NULL: it is held. */
extern PyThreadState *fr_gil_resting;

/* Makes loop drop the GIL before each wait. */
void fr_gil_attach(struct ev_loop *loop);

/* A wait ended with EINTR since the last call: a signal handler may be due. */
bool fr_gil_interrupted(void);

/*
 * Gives up a reference, now if the GIL is held, else when it is taken next:
 * for releases that C code makes while libev's watchers run.
 */
void fr_gil_decref(PyObject *object);

/* Gives up what had to wait; fr_gil_take() calls it. */
void fr_gil_flush(void);

static inline bool fr_gil_held(void)
{
	return fr_gil_resting == NULL;
}

static inline void fr_gil_take(void)
{
	if (fr_gil_resting) {
		PyThreadState *state = fr_gil_resting;
		fr_gil_resting = NULL;
		PyEval_RestoreThread(state);
		fr_gil_flush();
	}
}

#endif
