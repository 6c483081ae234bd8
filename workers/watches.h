/*
 * The descriptors that asyncio watches, as watchers of a libev loop, and
 * which of them fired.
 *
 * The inside of the selector (selector.c), which embeds and owns it.  Thread:
 * the loop's, with the GIL; only fr_watches_settle and what libev calls when
 * a descriptor fires do without.
 */
#ifndef FR_WORKERS_WATCHES_H
#define FR_WORKERS_WATCHES_H

#include "workers/python.h"

struct ev_loop;
struct fr_watched;

struct fr_watches {
	struct ev_loop *ev; /* borrowed; NULL: closed */
	struct fr_watched **list; /* by descriptor */
	size_t size; /* of list, fired and fresh */
	int *fired; /* descriptors that fired since the last take */
	size_t nfired;
	int *fresh; /* descriptors that libev has not told the kernel of yet */
	size_t nfresh;
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

/*
 * Before each ev_run(): what was closed since it was registered is not
 * watched.  The kernel would do the same, had it been told at once; libev
 * tells it late, and ends the process over a descriptor that is none.
 */
void fr_watches_settle(struct fr_watches *w);

/* A new list of (key, events) of what fired and is still watched; forgets it. */
PyObject *fr_watches_take(struct fr_watches *w);

#endif
