#include "workers/place.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "workers/exec.h"

/* A call that is made elsewhere: callable without arguments. */
struct thunk {
	PyObject_HEAD struct fr_program *program;
	uint32_t place;
	enum fr_thunk_kind kind;
	bool probing;
	PyObject *callable;
	PyObject *args; /* tuple */
	PyObject *kwnames;
	_Atomic uint32_t stage; /* enum thunk_stage; a futex */
	uint64_t begun_ns; /* monotonic; valid from BEGUN on */
	uint64_t wall_ns, cpu_ns; /* valid when DONE */
	long waits; /* voluntary context switches */
};

enum thunk_stage { WAITING = 0, BEGUN = 1, DONE = 2 };

/* The record of the `def` that this thread runs, for the audit hook. */
static _Thread_local struct fr_place *current;

static fr_place_verdict_fn *on_verdict;

void fr_place_on_verdict(fr_place_verdict_fn *fn)
{
	on_verdict = fn;
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- verdicts ---- */

static void settle(struct fr_program *program, uint32_t index, uint32_t state, const char *why)
{
	struct fr_place *place = &program->places[index];
	if (place->state == state)
		return;
	place->state = state;
	place->why = why;
	place->shorts = 0;
	if (on_verdict && state != FR_PLACED_PROBATION)
		on_verdict(program, index, state);
}

void fr_place_take_verdict(struct fr_program *program, uint32_t place, uint32_t state)
{
	if (place >= program->nplaces || state > FR_PLACED_THREADS)
		return;
	/* What was seen to block stays in threads, whatever others saw. */
	if (!program->places[place].fixed && program->places[place].state != FR_PLACED_THREADS) {
		program->places[place].state = state;
		program->places[place].why = "as another worker found";
	}
}

void fr_place_settle(struct fr_program *program, uint32_t place, enum fr_step_sync mode)
{
	enum fr_placement to = mode == FR_STEP_SYNC_CONFIGURED ? program->placement : mode - 1;
	struct fr_place *p;

	if (place >= program->nplaces)
		return;
	p = &program->places[place];
	p->fixed = to != FR_PLACE_AUTO;
	if (!p->fixed)
		return;
	p->state = to == FR_PLACE_INLINE ? FR_PLACED_INLINE : FR_PLACED_THREADS;
	p->why = mode == FR_STEP_SYNC_CONFIGURED ? "as configured" : "as its route says";
}

static void add_run(struct fr_place *place, uint64_t ns)
{
	place->runs++;
	if (ns > place->max_ns)
		place->max_ns = ns;
}

/* ---- the call itself ---- */

/* A StopIteration can't leave a coroutine: anyio hands it over as this. */
static PyObject *no_stop_iteration(PyObject *result)
{
	if (result || !PyErr_ExceptionMatches(PyExc_StopIteration))
		return result;
	PyObject *cause = fr_exc_take();
	PyErr_SetString(PyExc_RuntimeError, "coroutine raised StopIteration");
	PyObject *exc = fr_exc_take();
	PyException_SetCause(exc, cause);
	fr_exc_set(exc);
	return NULL;
}

static PyObject *perform(enum fr_thunk_kind kind, PyObject *callable, PyObject *const *args,
                         size_t nargs, PyObject *kwnames)
{
	switch (kind) {
	case FR_THUNK_CALL:
		return no_stop_iteration(PyObject_Vectorcall(callable, args, nargs, kwnames));
	case FR_THUNK_ENTER:
		return fr_gen_enter(callable);
	default:
		return fr_gen_exit(callable, args[0]);
	}
}

/* ---- in a thread ---- */

static void advance(struct thunk *t, uint32_t stage)
{
	atomic_store_explicit(&t->stage, stage, memory_order_release);
	if (t->probing && stage == DONE)
		syscall(SYS_futex, (uint32_t *)&t->stage, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static PyObject *thunk_call(PyObject *self, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
	struct thunk *t = (struct thunk *)self;
	struct fr_place *before = current;
	struct rusage usage;
	uint64_t cpu = 0;
	long waits = 0;
	if (t->place < t->program->nplaces)
		current = &t->program->places[t->place];
	if (t->probing) {
		getrusage(RUSAGE_THREAD, &usage);
		waits = usage.ru_nvcsw;
		cpu = now(CLOCK_THREAD_CPUTIME_ID);
		t->begun_ns = now(CLOCK_MONOTONIC);
		advance(t, BEGUN);
	}
	size_t nargs = (size_t)PyTuple_GET_SIZE(t->args);
	if (t->kwnames)
		nargs -= (size_t)PyTuple_GET_SIZE(t->kwnames);
	PyObject *result = perform(t->kind, t->callable, ((PyTupleObject *)t->args)->ob_item, nargs,
	                           t->kwnames);
	if (t->probing) {
		t->wall_ns = now(CLOCK_MONOTONIC) - t->begun_ns;
		t->cpu_ns = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
		getrusage(RUSAGE_THREAD, &usage);
		t->waits = usage.ru_nvcsw - waits;
		advance(t, DONE);
	}
	current = before;
	return result;
}

static int thunk_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct thunk *t = (struct thunk *)self;
	Py_VISIT(Py_TYPE(self));
	Py_VISIT((PyObject *)t->program);
	Py_VISIT(t->callable);
	Py_VISIT(t->args);
	return 0;
}

static int thunk_clear(PyObject *self)
{
	struct thunk *t = (struct thunk *)self;
	Py_CLEAR(t->callable);
	Py_CLEAR(t->args);
	return 0;
}

static void thunk_dealloc(PyObject *self)
{
	struct thunk *t = (struct thunk *)self;
	PyTypeObject *type = Py_TYPE(self);
	PyObject_GC_UnTrack(self);
	thunk_clear(self);
	Py_XDECREF(t->kwnames);
	fr_program_unref(t->program);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot thunk_slots[] = {
	{ Py_tp_dealloc, thunk_dealloc },
	{ Py_tp_traverse, thunk_traverse },
	{ Py_tp_clear, thunk_clear },
	{ Py_tp_call, thunk_call },
	{ Py_tp_doc, (void *)"A prepared call, for a thread." },
	{ 0, NULL },
};

static PyType_Spec thunk_spec = {
	.name = "fastrapi._fastrapid.Thunk",
	.basicsize = sizeof(struct thunk),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = thunk_slots,
};

int fr_place_ready(PyObject *module, struct fr_state *state)
{
	state->thunk_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &thunk_spec, NULL);
	return state->thunk_type ? 0 : -1;
}

/* anyio.to_thread.run_sync(thunk): an awaitable. */
static PyObject *in_thread(struct fr_program *program, struct thunk *t)
{
	struct fr_state *state = program->state;
	PyObject *run_sync = FR_GET(state, run_sync);
	if (!run_sync)
		return NULL;
	if (t->kind != FR_THUNK_EXIT)
		return PyObject_CallOneArg(run_sync, (PyObject *)t);
	/* An exit waits for no free thread: what it releases may be what others wait for. */
	PyObject *type = FR_GET(state, capacity_limiter);
	PyObject *limiter = type ? PyObject_CallFunction(type, "i", 1) : NULL;
	PyObject *kwnames = limiter ? PyTuple_Pack(1, state->names.limiter) : NULL;
	PyObject *args[2] = { (PyObject *)t, limiter };
	PyObject *awaitable = kwnames ? PyObject_Vectorcall(run_sync, args, 1, kwnames) : NULL;
	Py_XDECREF(kwnames);
	Py_XDECREF(limiter);
	return awaitable;
}

static int threaded(struct fr_program *program, uint32_t place, enum fr_thunk_kind kind,
                    PyObject *callable, PyObject *const *args, size_t nargs, PyObject *kwnames,
                    bool probing, PyObject **ret, PyObject **ret_thunk)
{
	PyTypeObject *type = program->state->thunk_type;
	size_t n = nargs + (kwnames ? (size_t)PyTuple_GET_SIZE(kwnames) : 0);
	struct thunk *t = (struct thunk *)type->tp_alloc(type, 0);
	if (!t)
		return -1;
	t->program = fr_program_ref(program);
	t->place = place;
	t->kind = kind;
	t->probing = probing;
	t->callable = Py_NewRef(callable);
	t->kwnames = Py_XNewRef(kwnames);
	t->args = PyTuple_New((Py_ssize_t)n);
	for (size_t i = 0; t->args && i < n; i++)
		PyTuple_SET_ITEM(t->args, (Py_ssize_t)i, Py_NewRef(args[i]));
	*ret = t->args ? in_thread(program, t) : NULL;
	if (!*ret) {
		Py_DECREF(t);
		return -1;
	}
	if (probing)
		*ret_thunk = (PyObject *)t;
	else
		Py_DECREF(t);
	return 0;
}

/* ---- on probation ---- */

void fr_place_judge(PyObject *thunk)
{
	struct thunk *t = (struct thunk *)thunk;
	struct fr_program *program = t->program;
	uint32_t index = t->place;
	struct fr_place *place = &program->places[index];
	if (index >= program->nplaces ||
	    atomic_load_explicit(&t->stage, memory_order_acquire) != DONE)
		return;
	/* Without a wait of its own, a long time is the machine's doing, unless it was busy. */
	bool is_short = t->wall_ns <= FR_PLACE_WAIT_NS && t->waits == 0;
	bool is_long =
		t->cpu_ns > FR_PLACE_WAIT_NS * 5 || (t->wall_ns > FR_PLACE_WAIT_NS && t->waits > 0);
	add_run(place, t->wall_ns);
	if (place->state != FR_PLACED_PROBATION)
		return;
	if (atomic_load_explicit(&place->blocked, memory_order_relaxed)) {
		settle(program, index, FR_PLACED_THREADS, "it does input and output");
	} else if (is_short) {
		if (++place->shorts >= FR_PLACE_SHORT)
			settle(program, index, FR_PLACED_INLINE, "its runs are short");
	} else if (is_long) {
		/* One may be chance. */
		place->shorts = 0;
		if (++place->longs >= 2)
			settle(program, index, FR_PLACED_THREADS, "it took long, or waited");
	}
	if (place->state == FR_PLACED_PROBATION && place->probed >= FR_PLACE_TRIES)
		settle(program, index, FR_PLACED_THREADS, "its runs are not short enough");
}

void fr_place_probe(PyObject *thunk)
{
	struct thunk *t = (struct thunk *)thunk;
	uint64_t end = now(CLOCK_MONOTONIC) + FR_PLACE_WAIT_NS;
	Py_BEGIN_ALLOW_THREADS;
	for (;;) {
		uint32_t stage = atomic_load_explicit(&t->stage, memory_order_acquire);
		uint64_t at = now(CLOCK_MONOTONIC);
		if (stage == DONE || at >= end)
			break;
		struct timespec left = { 0, (long)(end - at) };
		/* BEGUN comes without a wake-up: the wait then ends by its timeout, or by DONE. */
		syscall(SYS_futex, (uint32_t *)&t->stage, FUTEX_WAIT_PRIVATE, stage, &left, NULL,
		        0);
	}
	Py_END_ALLOW_THREADS;
}

/* ---- on the loop's thread ---- */

/* What one run on the loop's thread took; cpu and waits only while the callable is watched. */
struct cost {
	uint64_t wall_ns, cpu_ns;
	long waits; /* voluntary context switches */
};

static void cost_begin(const struct fr_place *place, struct cost *cost)
{
	*cost = (struct cost){ 0 };
	if (place && place->watched > 0) {
		struct rusage usage;
		getrusage(RUSAGE_THREAD, &usage);
		cost->waits = usage.ru_nvcsw;
		cost->cpu_ns = now(CLOCK_THREAD_CPUTIME_ID);
	}
	cost->wall_ns = now(CLOCK_MONOTONIC);
}

static void cost_end(const struct fr_place *place, struct cost *cost)
{
	cost->wall_ns = now(CLOCK_MONOTONIC) - cost->wall_ns;
	if (place && place->watched > 0) {
		struct rusage usage;
		cost->cpu_ns = now(CLOCK_THREAD_CPUTIME_ID) - cost->cpu_ns;
		getrusage(RUSAGE_THREAD, &usage);
		cost->waits = usage.ru_nvcsw - cost->waits;
	}
}

/*
 * A long time may be the machine's doing, which gave the processor to others.
 * So the first one that is not very long only has the next runs watched for
 * what they themselves do.
 */
static void check_inline(struct fr_program *program, uint32_t index, const struct cost *cost)
{
	struct fr_place *place = &program->places[index];
	bool watched = place->watched > 0;
	uint64_t ns = cost->wall_ns;
	add_run(place, ns);
	if (watched)
		place->watched--;
	if (place->fixed)
		return;
	if (atomic_load_explicit(&place->blocked, memory_order_relaxed)) {
		settle(program, index, FR_PLACED_THREADS, "it does input and output");
	} else if (ns > FR_PLACE_LONG_NS) {
		if (watched ? cost->waits > 0 || cost->cpu_ns > FR_PLACE_LONG_NS
		            : ns > FR_PLACE_LONG_NS * 10)
			settle(program, index, FR_PLACED_THREADS, "it held up the loop");
		else
			place->watched = FR_PLACE_WATCH;
	}
}

/* loop: the running one, hidden meanwhile; None: there is none. */
static int inlined(struct fr_program *program, uint32_t index, PyObject *loop,
                   enum fr_thunk_kind kind, PyObject *callable, PyObject *const *args, size_t nargs,
                   PyObject *kwnames, PyObject **ret)
{
	PyObject *set_loop = FR_GET(program->state, set_running_loop), *done;
	struct fr_place *before = current;
	PyObject *result = NULL;
	bool hidden = false;
	PyObject *context = set_loop ? PyContext_CopyCurrent() : NULL;
	if (!context || PyContext_Enter(context) < 0) {
		Py_XDECREF(context);
		return -1;
	}
	if (loop != Py_None) {
		done = PyObject_CallOneArg(set_loop, Py_None);
		hidden = done != NULL;
		Py_XDECREF(done);
	}
	if (hidden || loop == Py_None) {
		current = index < program->nplaces ? &program->places[index] : NULL;
		struct cost cost;
		cost_begin(current, &cost);
		result = perform(kind, callable, args, nargs, kwnames);
		cost_end(current, &cost);
		current = before;
		if (index < program->nplaces)
			check_inline(program, index, &cost);
	}
	PyObject *exc = result ? NULL : fr_exc_take();
	if (hidden) {
		done = PyObject_CallOneArg(set_loop, loop);
		if (!done)
			Py_CLEAR(result);
		Py_XDECREF(done);
	}
	if (PyContext_Exit(context) < 0)
		Py_CLEAR(result);
	Py_DECREF(context);
	if (exc)
		fr_exc_set(exc);
	*ret = result;
	return result ? 1 : -1;
}

int fr_place_call(struct fr_program *program, uint32_t index, enum fr_thunk_kind kind,
                  PyObject *callable, PyObject *const *args, size_t nargs, PyObject *kwnames,
                  PyObject **ret, PyObject **ret_thunk)
{
	struct fr_place *place = index < program->nplaces ? &program->places[index] : NULL;
	*ret = *ret_thunk = NULL;
	if (!place || place->state == FR_PLACED_THREADS)
		return threaded(program, index, kind, callable, args, nargs, kwnames, false, ret,
		                ret_thunk);

	PyObject *get_loop = FR_GET(program->state, get_running_loop);
	PyObject *loop = get_loop ? PyObject_CallNoArgs(get_loop) : NULL;
	if (!loop)
		return -1;
	int rc;
	if (place->state == FR_PLACED_INLINE && (place->fixed || loop != Py_None)) {
		rc = inlined(program, index, loop, kind, callable, args, nargs, kwnames, ret);
		Py_DECREF(loop);
		return rc;
	}
	/* Under another loop than asyncio's nothing is learnt. */
	bool probing = loop != Py_None;
	Py_DECREF(loop);
	if (probing && place->state == FR_PLACED_PROBATION && place->probed++ == 0 &&
	    kind != FR_THUNK_EXIT && fr_place_suspect(callable)) {
		settle(program, index, FR_PLACED_THREADS, "it uses threads, loops or the network");
		probing = false;
	}
	return threaded(program, index, kind, callable, args, nargs, kwnames,
	                probing && place->state == FR_PLACED_PROBATION, ret, ret_thunk);
}

/* ---- what others see ---- */

PyObject *fr_place_report(struct fr_program *program)
{
	static const char *const states[] = { "probation", "inline", "threads" };
	const struct fr_step *steps = FR_IMAGE_AT(program->image, program->image->steps.off);
	PyObject *list = PyList_New(0);
	for (uint32_t i = 0; list && i < program->nplaces; i++) {
		const struct fr_place *place = &program->places[i];
		struct fr_span name = { "", 0 };
		for (uint32_t s = 0; s < program->image->steps.count; s++) {
			if ((steps[s].op != FR_OP_CALL && steps[s].op != FR_OP_ENDPOINT) ||
			    steps[s].place != i)
				continue;
			name = (struct fr_span){ fr_str_in(program->image, steps[s].name),
				                 steps[s].name.len };
			break;
		}
		PyObject *entry = Py_BuildValue(
			"{s:s#,s:s,s:K,s:K,s:s}", "name", name.p, (Py_ssize_t)name.len, "state",
			states[place->state], "runs", (unsigned long long)place->runs, "max_ns",
			(unsigned long long)place->max_ns, "why", place->why ? place->why : "");
		if (!entry || PyList_Append(list, entry) < 0)
			Py_CLEAR(list);
		Py_XDECREF(entry);
	}
	return list;
}

/* ---- the audit hook ---- */

static int on_audit(const char *event, PyObject *Py_UNUSED(args), void *Py_UNUSED(data))
{
	static const char *const events[] = {
		"socket.",        "subprocess.", "time.sleep",   "os.system",
		"os.posix_spawn", "os.fork",     "http.client.", "urllib.Request",
	};
	if (!current)
		return 0;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (strncmp(event, events[i], strlen(events[i])) == 0)
			atomic_store_explicit(&current->blocked, 1, memory_order_relaxed);
	return 0;
}

int fr_place_audit(void)
{
	return PySys_AddAuditHook(on_audit, NULL);
}
