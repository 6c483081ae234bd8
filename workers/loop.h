/*
 * The worker's asyncio loop: made over our selector, and able to run the
 * first step of a new task at once.
 *
 * Owner: the worker's main function.  Thread: the one that runs the loop,
 * with the GIL.
 */
#ifndef FR_WORKERS_LOOP_H
#define FR_WORKERS_LOOP_H

#include "workers/python.h"

struct ev_loop;

struct fr_loop {
	struct ev_loop *ev; /* the selector's */
	PyObject *selector;
	PyObject *loop; /* asyncio's */
	PyObject *catcher; /* stands in for loop.call_soon */
	PyObject *task_type; /* asyncio.Task */
	PyObject *task_name;
	PyObject *task_keywords; /* loop, name */
	PyObject *task_keywords_context; /* loop, name, context */
	PyObject *cancelled_error; /* asyncio.CancelledError */
	PyObject *life; /* the task that fr_loop_run runs under; NULL: not yet */
};

/* Makes the loop and sets it as this thread's event loop; 0, or -1 with an exception. */
int fr_loop_init(struct fr_loop *l);

/* Closes the loop; nothing may be left on l->ev. */
void fr_loop_fini(struct fr_loop *l);

/*
 * A new asyncio.Task of coro in context (NULL: a copy of the current one),
 * whose first step has run when this returns.  May be called only from a
 * libev callback inside select(): no task is running there.
 */
PyObject *fr_loop_start_task(struct fr_loop *l, PyObject *coro, PyObject *context);

/*
 * Runs the loop until it is stopped: 0; or -1 with the exception that came out
 * of it, such as SystemExit.  May be called again, and is to be called again
 * after 1: an application has cancelled all tasks, the loop's own with them.
 *
 * The loop runs in run_until_complete() of a task that waits for ever:
 * libraries take such a task for the life of the loop.  anyio ties its threads
 * to it; without one, to the task that wants a thread, so that requests would
 * make and end threads.
 */
int fr_loop_run(struct fr_loop *l);

/* loop.run_until_complete(coro): steals coro, which may be NULL. */
PyObject *fr_loop_run_until(struct fr_loop *l, PyObject *coro);

/* Awaits run(number), a coroutine function that code defines: 0, or -1 with an exception. */
int fr_loop_run_code(struct fr_loop *l, const char *code, double number);

#endif
