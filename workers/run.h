/*
 * The plan executor: one request, executed step by step.
 *
 * A run is a Python object that follows the coroutine protocol (send, throw,
 * close, __await__), but needs no Task: whoever drives it decides.  Over a
 * socket the worker starts it directly and wraps it in an asyncio Task only
 * when a step has to wait; over ASGI it is awaited inside the caller's task,
 * on asyncio, uvloop or trio alike.  It calls no loop API.
 *
 * Thread: the one that holds the GIL and owns the loop.
 */
#ifndef FR_WORKERS_RUN_H
#define FR_WORKERS_RUN_H

#include "workers/python.h"

#include <stdbool.h>

#include "shm/layout.h"
#include "shm/route.h"

struct fr_run;
struct fr_input;
struct fr_state;
struct fr_bound;
struct fr_place;

/*
 * A compiled application: an image and what its ids are bound to.  A Python
 * object, made by program.h; each run holds a reference.
 */
struct fr_program {
	PyObject_HEAD const struct fr_image *image;
	struct fr_state *state; /* the module's */
	PyObject *app; /* the FastrAPI instance */
	PyObject **objects; /* image->nobjects, strong */
	struct fr_bound
		*bound; /* per step: interned keyword names and the like; private to program.c */
	struct fr_place *places; /* placement records of `def` callables */
	uint32_t nplaces;
	uint8_t placement; /* enum fr_placement of its `def` callables */
	PyObject *owner; /* keeps an image in private memory; may be NULL */
	PyObject **routes; /* what a scope calls its route, by route; strong */
	PyObject *version, *debug, *root_path; /* of app, when it was compiled */
	bool wrapped;
	int providers; /* how many of OpenTelemetry's were set then */
	PyObject *overrides; /* what dependency_overrides was for `overridden`; may be NULL */
	struct fr_program *overridden; /* may be NULL */
};

struct fr_header {
	struct fr_span name; /* lower case */
	struct fr_span value;
};

/* What an executor needs of the side that the request came from. */
struct fr_transport {
	/*
	 * The whole body: 1 and a span that lives as long as the input; 0 and a
	 * new reference to an awaitable (await it, then ask again); -1 and an
	 * exception.
	 */
	int (*body)(struct fr_input *in, struct fr_span *ret, PyObject **ret_await);

	/* What the awaitable of body() gave; may be NULL.  0, or -1 and an exception. */
	int (*received)(struct fr_input *in, PyObject *value);

	/*
	 * The body may have no more than max bytes, from here on: 0, or -1 and an
	 * exception.  NULL: the transport has seen to it before the run.
	 */
	int (*limit)(struct fr_input *in, uint32_t max);

	/*
	 * Sends a whole answer.  fields: extra fields besides content-length and
	 * content-type.  body: bytes object.  Return values as for body(); the
	 * second and later calls for one answer pass the same arguments.
	 * content_type.p == NULL: fields are the whole head, in order, and
	 * nothing is added (an answer whose fields the application made).
	 */
	int (*reply)(struct fr_input *in, unsigned status, struct fr_span content_type,
	             const struct fr_header *fields, size_t nfields, PyObject *body,
	             PyObject **ret_await);

	/* ASGI's three, each a new reference; made at the first call. */
	PyObject *(*scope)(struct fr_input *in);
	PyObject *(*receive)(struct fr_input *in);
	PyObject *(*send)(struct fr_input *in);

	/* Whether the answer's head has left. */
	bool (*started)(struct fr_input *in);

	/* Visits the objects that the input holds, for the collector of cycles; may be NULL. */
	int (*traverse)(struct fr_input *in, visitproc visit, void *arg);

	/* The run is over and drops its hold on the input; called once, before the run is freed. */
	void (*done)(struct fr_input *in);
};

/* One request as the executor reads it.  Embedded by each transport in its own struct. */
struct fr_input {
	const struct fr_transport *transport;
	uint32_t method; /* enum fr_method */
	struct fr_span method_name;
	struct fr_span path; /* decoded, below root_path: what routes match */
	struct fr_span full_path; /* decoded, whole */
	struct fr_span query;
	const struct fr_header *headers;
	size_t nheaders;
	uint64_t id; /* request id, for logs */
	bool toplevel; /* errors end here: send the 500 (and over ASGI raise it again) */
	bool foreign; /* ASGI: the scope and the task are the caller's; errors are raised to it, not logged */
	bool routed; /* middleware of the application was passed already: don't enter it again */
};

/* A new run over in; program and in must outlive it (program is counted). */
PyObject *fr_run_new(struct fr_program *program, struct fr_input *in);

/* Adds the type Run to the module. */
int fr_run_ready(PyObject *module, struct fr_state *state);

enum fr_run_state {
	FR_RUN_DONE = 1, /* answered; nothing left to do */
	FR_RUN_WAITS = 0, /* needs a Task: await it (send(None)) to go on */
	FR_RUN_FAILED = -1, /* exception set; already logged if toplevel */
};

/*
 * Looks the route up and says whether a Task must exist before the first
 * step (an async callable, a generator of one, an ASGI route).  Idempotent.
 */
bool fr_run_needs_task(struct fr_run *run);

/*
 * The number of the route that answers, once fr_run_needs_task() was asked;
 * in an application with middleware the one that the client asks for.
 * FR_NONE32: none, or an ASGI application below a path may be it.
 */
uint32_t fr_run_route(const struct fr_run *run);

/* Runs as far as possible without a Task. */
enum fr_run_state fr_run_start(struct fr_run *run);

#endif
