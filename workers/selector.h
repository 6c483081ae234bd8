/*
 * asyncio's selector over a libev loop.
 *
 * Watchers of net/ live on the same libev loop: they fire in C inside
 * select(), which returns to asyncio only when asyncio has something to do.
 * That is: one of its descriptors fired, its timeout passed, something was
 * made ready (loop._ready), an earlier timer was set (loop._scheduled), or
 * the loop is to stop.
 *
 * Owner: the worker's loop.c makes one and hands it to asyncio, which closes
 * it.  Thread: the loop's.
 */
#ifndef FR_WORKERS_SELECTOR_H
#define FR_WORKERS_SELECTOR_H

#include "workers/python.h"

struct ev_loop;

/* A new selector with a libev loop of its own; NULL with an exception. */
PyObject *fr_selector_new(void);

/* The libev loop; borrowed from the selector. */
struct ev_loop *fr_selector_ev(PyObject *selector);

/* Tells the selector which asyncio loop it serves; 0, or -1 with an exception. */
int fr_selector_attach(PyObject *selector, PyObject *loop);

/* Lets select() return at the next chance: something that asyncio can't see wants it. */
void fr_selector_leave(PyObject *selector);

#endif
