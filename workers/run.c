/*
 * The run as a coroutine: send, throw, close, and the loop over its phases.
 */
#include "workers/exec.h"
#include "workers/place.h"

#include <structmember.h>

/* ---- awaiting ---- */

/* The iterator behind an awaitable (stolen), as the await statement finds it. */
static PyObject *await_iter(PyObject *object)
{
	if (PyCoro_CheckExact(object))
		return object;
	PyTypeObject *type = Py_TYPE(object);
	if (PyGen_CheckExact(object)) {
		PyObject *code = PyObject_GetAttrString(object, "gi_code");
		bool iterable = code && PyCode_Check(code) &&
		                ((PyCodeObject *)code)->co_flags & CO_ITERABLE_COROUTINE;
		Py_XDECREF(code);
		if (iterable)
			return object;
		PyErr_Clear();
	}
	PyObject *iter = NULL;
	if (type->tp_as_async && type->tp_as_async->am_await) {
		iter = type->tp_as_async->am_await(object);
		if (iter && !PyIter_Check(iter)) {
			PyErr_Format(PyExc_TypeError,
			             "__await__() returned non-iterator of type '%.100s'",
			             Py_TYPE(iter)->tp_name);
			Py_CLEAR(iter);
		}
	} else {
		PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression",
		             type->tp_name);
	}
	Py_DECREF(object);
	return iter;
}

enum fr_flow fr_run_await(struct fr_run *run, PyObject *object, enum fr_phase phase)
{
	if (!object)
		return FR_FLOW_RAISE;
	PyObject *iter = await_iter(object);
	if (!iter)
		return FR_FLOW_RAISE;
	run->inner = iter;
	run->phase = (uint8_t)phase;
	return FR_FLOW_AWAIT;
}

bool fr_run_raised(struct fr_run *run)
{
	if (!run->failed)
		return false;
	PyObject *exc = run->failed;
	run->failed = NULL;
	fr_exc_set(exc);
	return true;
}

/* The inner awaitable ended: with a result (stolen), or with the exception that is set. */
static void awaited(struct fr_run *run, PyObject *value)
{
	if (!value)
		run->failed = fr_exc_take();
	fr_set(&run->value, value);
	Py_CLEAR(run->inner);
	if (run->thunk) {
		fr_place_judge(run->thunk);
		Py_CLEAR(run->thunk);
		run->probed = false;
	}
}

/* ---- the loop ---- */

static void finish(struct fr_run *run)
{
	if (run->finished)
		return;
	run->finished = true;
	struct fr_input *in = run->in;
	run->in = NULL;
	if (in && in->transport->done) {
		PyObject *exc = fr_exc_take();
		in->transport->done(in);
		if (exc)
			fr_exc_set(exc);
	}
}

/* Goes through phases until something is to be awaited, or the end. */
static enum fr_flow go(struct fr_run *run)
{
	enum fr_flow flow = FR_FLOW_GO;
	while (flow == FR_FLOW_GO || flow == FR_FLOW_RAISE) {
		if (flow == FR_FLOW_GO)
			flow = fr_phases[run->phase](run);
		else
			flow = fr_run_unwind(run);
	}
	return flow;
}

/* While a handler of exceptions is awaited, sys.exc_info() is its exception. */
static PySendResult send_inner(struct fr_run *run, PyObject *arg, PyObject **ret)
{
	bool handling =
		run->exc && (run->phase == FR_PHASE_HANDLED || run->phase == FR_PHASE_TOP_MADE);
	PyObject *before = NULL;
	if (handling) {
		before = PyErr_GetHandledException();
		PyErr_SetHandledException(run->exc);
	}
	PySendResult result = PyIter_Send(run->inner, arg, ret);
	if (handling) {
		PyErr_SetHandledException(before);
		Py_XDECREF(before);
	}
	return result;
}

/* Sends arg (borrowed; NULL: the inner awaitable has just ended, or nothing has begun). */
static PySendResult drive(struct fr_run *run, PyObject *arg, PyObject **ret)
{
	enum fr_flow flow = FR_FLOW_AWAIT;
	run->running = true;
	for (;;) {
		if (!run->inner)
			flow = go(run);
		if (flow != FR_FLOW_AWAIT)
			break;
		PySendResult result = send_inner(run, arg ? arg : Py_None, ret);
		arg = NULL;
		if (result == PYGEN_NEXT) {
			/* A bare yield is anyio's checkpoint: the call isn't on its way yet. */
			if (run->thunk && !run->probed && *ret != Py_None) {
				run->probed = true;
				fr_place_probe(run->thunk);
			}
			run->running = false;
			return PYGEN_NEXT;
		}
		awaited(run, result == PYGEN_RETURN ? *ret : NULL);
	}
	run->running = false;
	finish(run);
	if (flow == FR_FLOW_OUT) {
		*ret = NULL;
		return PYGEN_ERROR;
	}
	*ret = Py_NewRef(Py_None);
	return PYGEN_RETURN;
}

static bool ready_to_go(struct fr_run *run)
{
	if (run->running) {
		PyErr_SetString(PyExc_ValueError, "coroutine already executing");
		return false;
	}
	if (run->finished) {
		PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
		return false;
	}
	run->started = true;
	return true;
}

static PySendResult run_am_send(PyObject *self, PyObject *arg, PyObject **ret)
{
	struct fr_run *run = (struct fr_run *)self;
	*ret = NULL;
	if (!ready_to_go(run))
		return PYGEN_ERROR;
	return drive(run, run->inner ? arg : NULL, ret);
}

static PyObject *deliver(PySendResult result, PyObject *value)
{
	if (result == PYGEN_RETURN) {
		Py_XDECREF(value);
		PyErr_SetNone(PyExc_StopIteration);
		return NULL;
	}
	return value;
}

static PyObject *run_send(PyObject *self, PyObject *arg)
{
	PyObject *value;
	PySendResult result = run_am_send(self, arg, &value);
	return deliver(result, value);
}

static PyObject *run_next(PyObject *self)
{
	return run_send(self, Py_None);
}

/* Throws exc into the inner awaitable: as send. */
static PySendResult throw_inner(struct fr_run *run, PyObject *exc, PyObject **ret)
{
	PyObject *throw = NULL;
	*ret = NULL;
	if (PyErr_GivenExceptionMatches(exc, PyExc_GeneratorExit) &&
	    !PyCoro_CheckExact(run->inner) && !PyGen_CheckExact(run->inner)) {
		/* As `yield from`: others are closed. */
		PyObject *close = PyObject_GetAttr(run->inner, run->program->state->names.close);
		if (!close) {
			PyErr_Clear();
		} else {
			PyObject *closed = PyObject_CallNoArgs(close);
			Py_DECREF(close);
			if (!closed)
				return PYGEN_ERROR;
			Py_DECREF(closed);
		}
		fr_exc_set(Py_NewRef(exc));
		return PYGEN_ERROR;
	}
	throw = PyObject_GetAttr(run->inner, run->program->state->names.throw);
	if (!throw) {
		PyErr_Clear();
		fr_exc_set(Py_NewRef(exc));
		return PYGEN_ERROR;
	}
	PyObject *value = PyObject_CallOneArg(throw, exc);
	Py_DECREF(throw);
	if (value) {
		*ret = value;
		return PYGEN_NEXT;
	}
	if (!PyErr_ExceptionMatches(PyExc_StopIteration))
		return PYGEN_ERROR;
	PyObject *stop = fr_exc_take();
	*ret = PyObject_GetAttr(stop, run->program->state->names.value);
	Py_DECREF(stop);
	return *ret ? PYGEN_RETURN : PYGEN_ERROR;
}

static PySendResult throw(struct fr_run * run, PyObject *exc, PyObject **ret)
{
	*ret = NULL;
	if (!ready_to_go(run))
		return PYGEN_ERROR;
	if (run->inner) {
		run->running = true;
		PySendResult result = throw_inner(run, exc, ret);
		run->running = false;
		if (result == PYGEN_NEXT)
			return result;
		awaited(run, result == PYGEN_RETURN ? *ret : NULL);
		*ret = NULL;
	} else {
		/* Nothing has begun: it leaves at once. */
		finish(run);
		fr_exc_set(Py_NewRef(exc));
		return PYGEN_ERROR;
	}
	return drive(run, NULL, ret);
}

/* throw(value) or throw(type, value, traceback): the instance, new. */
static PyObject *thrown(PyObject *const *args, Py_ssize_t nargs)
{
	PyObject *type = args[0], *value = nargs > 1 ? args[1] : NULL;
	PyObject *tb = nargs > 2 && args[2] != Py_None ? args[2] : NULL;
	PyObject *exc = NULL;
	if (value == Py_None)
		value = NULL;
	if (PyExceptionInstance_Check(type)) {
		exc = Py_NewRef(type);
	} else if (PyExceptionClass_Check(type)) {
		if (value && PyExceptionInstance_Check(value))
			exc = Py_NewRef(value);
		else
			exc = value ? PyObject_CallOneArg(type, value) : PyObject_CallNoArgs(type);
	} else {
		PyErr_SetString(PyExc_TypeError, "exceptions must be classes or instances");
	}
	if (exc && !PyExceptionInstance_Check(exc)) {
		PyErr_SetString(PyExc_TypeError, "exceptions must derive from BaseException");
		Py_CLEAR(exc);
	}
	if (exc && tb && PyException_SetTraceback(exc, tb) < 0)
		Py_CLEAR(exc);
	return exc;
}

static PyObject *run_throw(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
	if (nargs < 1 || nargs > 3) {
		PyErr_SetString(PyExc_TypeError, "throw() takes one to three arguments");
		return NULL;
	}
	PyObject *exc = thrown(args, nargs), *value;
	if (!exc)
		return NULL;
	PySendResult result = throw((struct fr_run *)self, exc, &value);
	Py_DECREF(exc);
	return deliver(result, value);
}

static PyObject *run_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	struct fr_run *run = (struct fr_run *)self;
	PyObject *value;
	if (run->finished)
		Py_RETURN_NONE;
	if (!run->inner && !run->running) {
		finish(run);
		Py_RETURN_NONE;
	}
	PyObject *exc = PyObject_CallNoArgs(PyExc_GeneratorExit);
	if (!exc)
		return NULL;
	PySendResult result = throw(run, exc, &value);
	Py_DECREF(exc);
	Py_XDECREF(value);
	if (result == PYGEN_NEXT) {
		PyErr_SetString(PyExc_RuntimeError, "coroutine ignored GeneratorExit");
		return NULL;
	}
	if (result == PYGEN_ERROR) {
		if (!PyErr_ExceptionMatches(PyExc_GeneratorExit) &&
		    !PyErr_ExceptionMatches(PyExc_StopIteration))
			return NULL;
		PyErr_Clear();
	}
	Py_RETURN_NONE;
}

static PyObject *run_await(PyObject *self)
{
	return Py_NewRef(self);
}

/* ---- what Python sees ---- */

static PyObject *get_name(PyObject *self, void *Py_UNUSED(closure))
{
	struct fr_run *run = (struct fr_run *)self;
	if (!run->route)
		return PyUnicode_FromString("request");
	struct fr_str s = run->route->endpoint;
	return fr_text(fr_str_in(run->program->image, s), s.len);
}

static PyObject *get_suspended(PyObject *self, void *Py_UNUSED(closure))
{
	struct fr_run *run = (struct fr_run *)self;
	return PyBool_FromLong(run->inner && !run->running && !run->finished);
}

static PyObject *get_frame(PyObject *self, void *Py_UNUSED(closure))
{
	struct fr_run *run = (struct fr_run *)self;
	if (run->inner && PyCoro_CheckExact(run->inner))
		return PyObject_GetAttrString(run->inner, "cr_frame");
	Py_RETURN_NONE;
}

static PyGetSetDef run_getset[] = {
	{ "__name__", get_name, NULL, NULL, NULL },
	{ "__qualname__", get_name, NULL, NULL, NULL },
	{ "cr_suspended", get_suspended, NULL, NULL, NULL },
	{ "cr_frame", get_frame, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMemberDef run_members[] = {
	{ "cr_await", T_OBJECT, offsetof(struct fr_run, inner), READONLY, NULL },
	{ "cr_running", T_BOOL, offsetof(struct fr_run, running), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyMethodDef run_methods[] = {
	{ "send", run_send, METH_O, "Goes on with what was awaited." },
	{ "throw", (PyCFunction)(void (*)(void))run_throw, METH_FASTCALL,
	  "Goes on with an exception." },
	{ "close", run_close, METH_NOARGS, "Ends the run, exits of dependencies included." },
	{ NULL, NULL, 0, NULL },
};

/* ---- life ---- */

/* clang-format off */
#define FR_RUN_OBJECTS(X) \
	X(inner) X(value) X(failed) X(exc) X(errors) X(scope) X(request) X(path_params) \
	X(response) X(background) X(query) X(headers) X(cookies) X(body) X(json) X(direct) \
	X(form) X(content) X(answer) X(thunk) X(shield) X(thread_scope) X(exiting) X(exc_tb) \
	X(match)
/* clang-format on */

static int run_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct fr_run *run = (struct fr_run *)self;
	Py_VISIT(Py_TYPE(self));
	Py_VISIT((PyObject *)run->program);
	if (run->in && run->in->transport->traverse) {
		int rc = run->in->transport->traverse(run->in, visit, arg);
		if (rc)
			return rc;
	}
#define X(field) Py_VISIT(run->field);
	FR_RUN_OBJECTS(X)
#undef X
	for (unsigned i = 0; run->route && i < run->route->nslots; i++)
		Py_VISIT(run->slots[i]);
	for (unsigned i = 0; run->route && i < run->route->ncaches; i++)
		Py_VISIT(run->caches[i]);
	for (unsigned i = 0; i < run->nexits; i++)
		Py_VISIT(run->exits[i].object);
	return 0;
}

static int run_clear(PyObject *self)
{
	struct fr_run *run = (struct fr_run *)self;
	finish(run);
#define X(field) Py_CLEAR(run->field);
	FR_RUN_OBJECTS(X)
#undef X
	for (unsigned i = 0; run->route && i < run->route->nslots; i++)
		Py_CLEAR(run->slots[i]);
	for (unsigned i = 0; run->route && i < run->route->ncaches; i++)
		Py_CLEAR(run->caches[i]);
	fr_exits_clear(run);
	return 0;
}

static void run_dealloc(PyObject *self)
{
	struct fr_run *run = (struct fr_run *)self;
	PyTypeObject *type = Py_TYPE(self);
	PyObject_GC_UnTrack(self);
	run_clear(self);
	if (run->slots && run->slots != run->registers)
		PyMem_Free(run->slots);
	if (run->marks && run->marks != run->marks_inline)
		PyMem_Free(run->marks);
	if (run->pairs && run->pairs != run->pairs_inline)
		PyMem_Free(run->pairs);
	if (run->exits != run->exits_inline)
		PyMem_Free(run->exits);
	fr_program_unref(run->program);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

static PyType_Slot run_slots[] = {
	{ Py_tp_dealloc, run_dealloc },
	{ Py_tp_traverse, run_traverse },
	{ Py_tp_clear, run_clear },
	{ Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, run_next },
	{ Py_am_await, run_await },
	{ Py_am_send, run_am_send },
	{ Py_tp_methods, run_methods },
	{ Py_tp_members, run_members },
	{ Py_tp_getset, run_getset },
	{ Py_tp_doc, (void *)"One request, executed: a coroutine." },
	{ 0, NULL },
};

static PyType_Spec run_spec = {
	.name = "fastrapi._fastrapid.Run",
	.basicsize = sizeof(struct fr_run),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = run_slots,
};

int fr_run_ready(PyObject *module, struct fr_state *state)
{
	state->run_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &run_spec, NULL);
	if (!state->run_type || PyModule_AddType(module, state->run_type) < 0)
		return -1;
	/* asyncio takes for a coroutine what is registered as one. */
	PyObject *abc = PyImport_ImportModule("collections.abc");
	PyObject *coroutine = abc ? PyObject_GetAttrString(abc, "Coroutine") : NULL;
	PyObject *done =
		coroutine ? PyObject_CallMethod(coroutine, "register", "O", state->run_type) : NULL;
	Py_XDECREF(abc);
	Py_XDECREF(coroutine);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

PyObject *fr_run_new(struct fr_program *program, struct fr_input *in)
{
	PyTypeObject *type = program->state->run_type;
	struct fr_run *run = PyObject_GC_New(struct fr_run, type);
	if (!run)
		return NULL;
	/* All but the match, which the lookup fills, and what lies behind it. */
	memset((char *)run + sizeof(PyObject), 0,
	       offsetof(struct fr_run, found) - sizeof(PyObject));
	run->program = fr_program_ref(program);
	run->in = in;
	run->stage = FR_STAGE_ROUTER;
	run->exits = run->exits_inline;
	run->maxexits = sizeof(run->exits_inline) / sizeof(run->exits_inline[0]);
	PyObject_GC_Track((PyObject *)run);
	return (PyObject *)run;
}

/* ---- without a Task ---- */

bool fr_run_needs_task(struct fr_run *run)
{
	/* Middleware comes before the route: a mounted application's match would change its scope. */
	if (run->program->image->app_flags & FR_APP_WRAPPED && !run->in->routed)
		return true;
	if (!run->looked_up && fr_run_lookup(run) < 0) {
		PyErr_Clear(); /* it comes up again when the run starts */
		return true;
	}
	if (!run->route || run->route->kind != FR_ROUTE_PLAN)
		return true;
	for (uint32_t i = 0; i < run->route->steps.count; i++) {
		const struct fr_step *step = &run->steps[i];
		if (step->op != FR_OP_CALL && step->op != FR_OP_ENDPOINT)
			continue;
		if (step->mode == FR_MODE_ASYNC || step->mode == FR_MODE_AGEN)
			return true;
		if (step->place >= run->program->nplaces ||
		    run->program->places[step->place].state != FR_PLACED_INLINE)
			return true;
	}
	return false;
}

uint32_t fr_run_route(const struct fr_run *run)
{
	const struct fr_input *in = run->in;
	struct fr_match asked;

	if (run->looked_up)
		return run->route ? run->found.route : FR_NONE32;
	/* Middleware has not run yet: what it makes of the path is its own affair. */
	if (fr_route_find(run->program->image, in->method, in->method_name, in->path.p,
	                  in->path.len, NULL, NULL, &asked) < 0 ||
	    asked.kind != FR_MATCH_FULL || asked.undecided)
		return FR_NONE32;
	return asked.route;
}

enum fr_run_state fr_run_start(struct fr_run *run)
{
	if (!ready_to_go(run))
		return FR_RUN_FAILED;
	run->running = true;
	enum fr_flow flow = run->inner ? FR_FLOW_AWAIT : go(run);
	run->running = false;
	if (flow == FR_FLOW_AWAIT)
		return FR_RUN_WAITS; /* not begun: a Task sends it its first None */
	finish(run);
	return flow == FR_FLOW_OUT ? FR_RUN_FAILED : FR_RUN_DONE;
}
