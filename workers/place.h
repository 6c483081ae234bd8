/*
 * Placement: whether a `def` callable runs in a thread or on the loop.
 *
 * Every callable starts in anyio's thread pool.  It moves to the loop's
 * thread after FR_PLACE_SHORT runs that neither blocked nor took long, and
 * goes back for good when one does.  Records are per program and per
 * callable; only the loop's thread changes their state, threads only add to
 * `blocked`.
 */
#ifndef FR_WORKERS_PLACE_H
#define FR_WORKERS_PLACE_H

#include "workers/run.h"
#include "workers/state.h"

#include <stdatomic.h>
#include <stdint.h>

#define FR_PLACE_SHORT 8 /* short runs in a row that prove a callable */
#define FR_PLACE_TRIES 200 /* runs on probation at most */
#define FR_PLACE_WAIT_NS                                                                           \
	200000 /* how long the loop waits for a run on probation, and what is short */
#define FR_PLACE_LONG_NS 5000000 /* a run on the loop may take this long */
#define FR_PLACE_WATCH 1000 /* runs that are watched closely after one that took longer */

enum fr_place_state { FR_PLACED_PROBATION = 0, FR_PLACED_INLINE = 1, FR_PLACED_THREADS = 2 };

struct fr_place {
	uint32_t state; /* enum fr_place_state */
	bool fixed; /* by the route or the configuration: no run changes it */
	uint32_t shorts; /* in a row */
	uint32_t longs;
	uint32_t probed; /* runs on probation */
	uint32_t watched; /* runs on the loop that are still to be watched closely */
	uint64_t runs;
	uint64_t max_ns;
	_Atomic uint32_t blocked; /* the audit hook saw it do I/O, or wait */
	const char *why; /* of FR_PLACED_THREADS; static text */
};

enum fr_thunk_kind { FR_THUNK_CALL, FR_THUNK_ENTER, FR_THUNK_EXIT };

/*
 * Calls callable where its record says.  1: *ret is the result; 0: *ret is an
 * awaitable; -1: an exception.  args/nargs/kwnames as in vectorcall; for
 * ENTER and EXIT callable is the generator, and args[0] the exception of
 * EXIT or None.  *ret_thunk is set (new reference) when the run is on
 * probation: fr_place_probe() it when the awaitable waits, fr_place_judge()
 * it when the awaitable has ended.
 */
int fr_place_call(struct fr_program *program, uint32_t place, enum fr_thunk_kind kind,
                  PyObject *callable, PyObject *const *args, size_t nargs, PyObject *kwnames,
                  PyObject **ret, PyObject **ret_thunk);

/* Gives the thread a moment, so that a short run isn't disturbed by the loop. */
void fr_place_probe(PyObject *thunk);

/* The awaitable has ended: keeps what was learnt. */
void fr_place_judge(PyObject *thunk);

/*
 * Tells what each callable's record says, as a list of dicts; for the status.
 * New reference.
 */
PyObject *fr_place_report(struct fr_program *program);

/* Settles where a callable runs: as mode says, or the program's configuration if none is given. */
void fr_place_settle(struct fr_program *program, uint32_t place, enum fr_step_sync mode);

/* Called when a record has come to a verdict; for sharing verdicts between workers. */
typedef void fr_place_verdict_fn(struct fr_program *program, uint32_t place, uint32_t state);
void fr_place_on_verdict(fr_place_verdict_fn *fn);

/* Takes another worker's verdict over. */
void fr_place_take_verdict(struct fr_program *program, uint32_t place, uint32_t state);

/* Installs the audit hook that sees `def`s do I/O; the daemon calls it before Py_Initialize. */
int fr_place_audit(void);

/* Looks a function over for names of what needs a thread: 1 if there are any. */
int fr_place_suspect(PyObject *callable);

int fr_place_ready(PyObject *module, struct fr_state *state);

#endif
