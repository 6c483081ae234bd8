/*
 * The inside of a run, shared by the files of the executor.
 *
 * A run is a state machine over a plan's steps.  Each phase function does what
 * it can and says how to go on; what has to be awaited is put into run->inner,
 * and the phase named in run->phase is entered when it is done, with its
 * result in run->value or its exception in run->failed.
 *
 * Owner: whoever drives the run.  Thread: the loop's, with the GIL.
 */
#ifndef FR_WORKERS_EXEC_H
#define FR_WORKERS_EXEC_H

#include "workers/program.h"
#include "workers/run.h"
#include "workers/state.h"

enum fr_flow {
	FR_FLOW_GO, /* enter run->phase */
	FR_FLOW_AWAIT, /* run->inner was set: await it, then enter run->phase */
	FR_FLOW_RAISE, /* an exception is set: unwind */
	FR_FLOW_OUT, /* an exception is set, and leaves the run */
	FR_FLOW_DONE,
};

enum fr_phase {
	FR_PHASE_START,
	FR_PHASE_FOREIGN, /* an ASGI callable answered */
	FR_PHASE_BODY,
	FR_PHASE_FORM,
	FR_PHASE_STEPS,
	FR_PHASE_PYBODY,
	FR_PHASE_CALLED,
	FR_PHASE_ENTERED, /* the first step of an async generator is done */
	FR_PHASE_MADE, /* a Python function made the response */
	FR_PHASE_EXITS,
	FR_PHASE_EXITED,
	FR_PHASE_SEND, /* run->answer; then its background tasks, then run->after */
	FR_PHASE_SENT,
	FR_PHASE_HANDLE,
	FR_PHASE_HANDLED,
	FR_PHASE_HANDLER_SENT,
	FR_PHASE_CLOSE_FORM,
	FR_PHASE_FORM_CLOSED,
	FR_PHASE_TOP,
	FR_PHASE_TOP_MADE,
	FR_PHASE_TOP_SENT,
	FR_PHASE_DONE,
	FR_NPHASES,
};

/* Where an exception goes: the Python `try` that the run stands in. */
enum fr_stage {
	FR_STAGE_FUNCTION, /* exits of function scope, then of request scope, then handlers */
	FR_STAGE_REQUEST, /* exits of request scope, then handlers */
	FR_STAGE_ROUTE, /* in the handlers around the route: the form, then the outer handlers */
	FR_STAGE_ROUTER, /* straight to the outer handlers: 404, 405, foreign routes */
	FR_STAGE_APP, /* in the outer handlers: 500 */
	FR_STAGE_TOP, /* making the 500: out */
};

enum fr_exit_kind { FR_EXIT_GEN, FR_EXIT_AGEN, FR_EXIT_SCOPE, FR_EXIT_STACK };

struct fr_exit {
	PyObject *object; /* generator, anyio scope, AsyncExitStack; NULL once taken */
	uint8_t kind;
	bool function_scope;
	uint32_t place;
};

/* One pair of the query, as received. */
struct fr_pair {
	struct fr_span key, value;
};

#define FR_RUN_INLINE 20 /* registers without an allocation */
#define FR_RUN_PAIRS 8

struct fr_run {
	PyObject_HEAD struct fr_program *program;
	struct fr_input *in; /* NULL when over */
	const struct fr_route *route; /* NULL: none */
	const struct fr_step *steps;

	PyObject *inner; /* what is being awaited: an iterator */
	PyObject *value; /* its result */
	PyObject *failed; /* or its exception */
	PyObject *exc; /* in flight: exits and handlers see it */

	PyObject **slots, **caches;
	uint32_t *marks;
	PyObject *errors; /* list, or NULL */
	uint32_t nerrors;

	PyObject *scope, *request, *path_params;
	PyObject *response; /* the injected one */
	PyObject *background;
	PyObject *query, *headers, *cookies; /* Starlette's, if somebody needed them */
	PyObject *body; /* bytes, or form */
	PyObject *json; /* what the body parsed to */
	PyObject *direct; /* what a direct validator made of the body */
	PyObject *form; /* to close */
	PyObject *content; /* the endpoint's result */
	PyObject *answer; /* Response, or bytes of a JSON answer */
	PyObject *thunk; /* on probation in a thread */
	PyObject *shield; /* anyio scope around async generators */
	PyObject *thread_scope; /* anyio scope around one exit in a thread */
	PyObject *exiting; /* what is being exited */
	PyObject *exc_tb; /* traceback of exc before it was thrown in */
	PyObject *match; /* of a side entry: re.Match, or child scope */

	struct fr_exit *exits;
	struct fr_exit exits_inline[4];
	uint16_t nexits, maxexits;

	struct fr_pair *pairs;
	struct fr_pair pairs_inline[FR_RUN_PAIRS];
	uint32_t npairs;
	bool pairs_ready, query_in_python;

	uint16_t pc;
	uint8_t phase, stage, after;
	bool running, started, finished;
	bool answered; /* the answer was sent: response_awaited */
	bool scope_ready; /* scope has our keys */
	bool looked_up;
	bool probed; /* thunk was given its moment */
	uint8_t exiting_kind; /* enum fr_exit_kind */
	bool in_middleware; /* all of the request runs in the application's middleware */
	unsigned status; /* of a JSON answer */

	struct fr_match found;
	PyObject *registers[FR_RUN_INLINE];
	uint32_t marks_inline[8];
};

/* ---- run.c: protocol and loop ---- */

/* Awaits object (stolen; NULL: an exception is set) and enters phase then. */
enum fr_flow fr_run_await(struct fr_run *run, PyObject *object, enum fr_phase phase);

/* In a phase after an await: raises what it failed with; true if it did. */
bool fr_run_raised(struct fr_run *run);

/* ---- phases.c ---- */

typedef enum fr_flow fr_phase_fn(struct fr_run *run);
extern fr_phase_fn *const fr_phases[FR_NPHASES];

/* Looks the route up: 0, or -1 and an exception. */
int fr_run_lookup(struct fr_run *run);

/* ---- unwind.c ---- */

/* An exception is set: says where it goes. */
enum fr_flow fr_run_unwind(struct fr_run *run);
fr_phase_fn fr_phase_handle, fr_phase_handled, fr_phase_handler_sent;
fr_phase_fn fr_phase_close_form, fr_phase_form_closed;
fr_phase_fn fr_phase_top, fr_phase_top_made, fr_phase_top_sent;

/* ---- request.c: what Python sees of the request; borrowed results ---- */

PyObject *fr_run_scope(struct fr_run *run); /* with app, route, path_params */
PyObject *fr_run_request(struct fr_run *run);
PyObject *fr_run_response(struct fr_run *run);
PyObject *fr_run_background(struct fr_run *run);
PyObject *fr_run_path_params(struct fr_run *run);
PyObject *fr_run_route_object(struct fr_run *run);

/* ---- params.c ---- */

int fr_step_param(struct fr_run *run, const struct fr_step *step);
int fr_step_pyparam(struct fr_run *run, const struct fr_step *step);

/* Applies the default of step: 0, or -1 and an exception; may add an error. */
int fr_step_default(struct fr_run *run, const struct fr_step *step, struct fr_bound *b);

/* Validates value (stolen) into the step's slot; may add errors. */
int fr_step_validate(struct fr_run *run, const struct fr_step *step, struct fr_bound *b,
                     PyObject *value);

/* The ValidationError that is set becomes errors of the run; another exception stays: -1. */
int fr_errors_take(struct fr_run *run, PyObject *loc);
int fr_errors_add(struct fr_run *run, PyObject *error);
int fr_errors_missing(struct fr_run *run, PyObject *loc);
int fr_errors_extend(struct fr_run *run, PyObject *list);

/* First header of that name, or NULL. */
const struct fr_header *fr_run_header(const struct fr_run *run, const char *name, size_t len);

/* ---- body.c ---- */

fr_phase_fn fr_phase_body, fr_phase_form, fr_phase_pybody;
PyObject *fr_run_loads(struct fr_run *run); /* json.loads(run->body): new, or NULL */
int fr_step_body(struct fr_run *run, const struct fr_step *step);
enum fr_flow fr_step_pybody(struct fr_run *run, const struct fr_step *step);

/* ---- deps.c ---- */

int fr_step_special(struct fr_run *run, const struct fr_step *step);
enum fr_flow fr_step_call(struct fr_run *run, const struct fr_step *step);
enum fr_flow fr_step_endpoint(struct fr_run *run, const struct fr_step *step);
fr_phase_fn fr_phase_called, fr_phase_entered;

/* ---- respond.c ---- */

enum fr_flow fr_step_respond(struct fr_run *run, const struct fr_step *step);
fr_phase_fn fr_phase_made, fr_phase_send;

/* Sends run->answer and runs its background tasks; enters after then. */
enum fr_flow fr_run_send(struct fr_run *run, enum fr_phase after);

/* ---- exits.c ---- */

int fr_exit_push(struct fr_run *run, enum fr_exit_kind kind, PyObject *object, bool function_scope,
                 uint32_t place);
fr_phase_fn fr_phase_exits, fr_phase_exited;
void fr_exits_clear(struct fr_run *run);

/* What contextlib does at the end of a generator: True if exc is swallowed, False, or NULL. */
PyObject *fr_gen_exit(PyObject *gen, PyObject *exc);
PyObject *fr_gen_enter(PyObject *gen);

/* ---- errors.c ---- */

/* A RequestValidationError, or a ResponseValidationError of a ValidationError: new, or NULL. */
PyObject *fr_request_error(struct fr_run *run, PyObject *errors, PyObject *body);
PyObject *fr_response_error(struct fr_run *run, PyObject *exc, PyObject *content);

/* Logs the exception with its traceback, and the request's method, path and route. */
void fr_error_log(struct fr_run *run, PyObject *exc, const char *what);

/* A traceback as traceback.format_exception() gives it, as bytes of UTF-8: new reference; NULL only when memory is gone. */
PyObject *fr_error_text(struct fr_state *state, PyObject *exc);

/* ---- encode.c ---- */

/* bytes; NULL and no exception: not for us; NULL and an exception: no memory. */
PyObject *fr_json_encode(PyObject *value);

#endif
