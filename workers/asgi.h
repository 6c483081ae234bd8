/*
 * The ASGI side: an application's __call__, and the router inside its
 * middleware.  Both give a run over scope, receive and send.
 *
 * Thread: the caller's; with the GIL.
 */
#ifndef FR_WORKERS_ASGI_H
#define FR_WORKERS_ASGI_H

#include "workers/state.h"

/* A run of app over scope (of type http), receive and send; routed: the middleware was passed. */
PyObject *fr_asgi_run(struct fr_state *state, PyObject *app, PyObject *scope, PyObject *receive,
                      PyObject *send, bool routed);

int fr_asgi_ready(PyObject *module, struct fr_state *state);

/* Adds asgi_method (an object) and asgi_router (a type) to the module. */
int fr_asgi_entry_ready(PyObject *module, struct fr_state *state);

#endif
