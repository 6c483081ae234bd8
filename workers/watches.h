/*
 * The descriptors that asyncio watches, as watchers of a libev loop, and
 * which of them fired.
 *
 * The inside of the selector (selector.c), which embeds and owns it.  Thread:
 * the loop's, with the GIL; only what libev calls when a descriptor fires
 * runs without.
 */
#ifndef FR_WORKERS_WATCHES_H
#define FR_WORKERS_WATCHES_H

#include "workers/python.h"

struct ev_loop;
struct fr_watched;

struct fr_watches {
	struct ev_loop *ev; /* borrowed; NULL: closed */
	struct fr_watched **list; /* by descriptor */
	size_t size; /* of list and of fired */
	int *fired; /* descriptors that fired since the last take */
	size_t nfired;
	PyObject *map; /* dict: descriptor -> SelectorKey */
	PyObject *view; /* read-only view of map */
	PyObject *key_type; /* selectors.SelectorKey */
};

/* 0, or -1 with an exception; what was made until then is cleared by the two below. */
int fr_watches_init(struct fr_watches *w, struct ev_loop *ev);

/* Watches nothing any more; ev may be destroyed then. */
void fr_watches_close(struct fr_watches *w);

/* As tp_traverse and tp_clear do. */
int fr_watches_traverse(struct fr_watches *w, visitproc visit, void *arg);
void fr_watches_clear(struct fr_watches *w);

/* The methods of selectors.BaseSelector: a new reference to a SelectorKey, or NULL with an exception. */
PyObject *fr_watches_register(struct fr_watches *w, PyObject *fileobj, int events, PyObject *data);
PyObject *fr_watches_modify(struct fr_watches *w, PyObject *fileobj, int events, PyObject *data);
PyObject *fr_watches_unregister(struct fr_watches *w, PyObject *fileobj);
PyObject *fr_watches_key(struct fr_watches *w, PyObject *fileobj);

/* A new list of (key, events) of what fired and is still watched; forgets it. */
PyObject *fr_watches_take(struct fr_watches *w);

#endif
