/*
 * ASGI's lifespan protocol, as the server plays it.
 *
 * The application runs in a task of its own from start-up to shutdown.
 * Thread: the loop's, with the GIL, while the loop does not run.
 */
#ifndef FR_WORKERS_LIFESPAN_H
#define FR_WORKERS_LIFESPAN_H

#include "workers/loop.h"
#include "workers/python.h"

struct fr_lifespan {
	struct fr_loop *loop;
	PyObject *side; /* holds receive and send */
	PyObject *task;
	PyObject *state; /* dict that start-up filled: each request gets a copy */
};

/*
 * Runs start-up.  0; -1 with an exception: it failed (the exception's text
 * says why), or the loop was stopped meanwhile.
 */
int fr_lifespan_start(struct fr_lifespan *l, struct fr_loop *loop, PyObject *app);

/* Runs shutdown for at most timeout seconds; -1 with an exception: it failed. */
int fr_lifespan_stop(struct fr_lifespan *l, double timeout);

void fr_lifespan_fini(struct fr_lifespan *l);

#endif
