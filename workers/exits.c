/*
 * The exit stack of a request: generators of dependencies end here, last
 * begun first, those of function scope before the answer is sent.
 */
#include "workers/exec.h"

#include "workers/place.h"

#include <string.h>

int fr_exit_push(struct fr_run *run, enum fr_exit_kind kind, PyObject *object, bool function_scope,
                 uint32_t place)
{
	if (run->nexits == run->maxexits) {
		uint16_t max = (uint16_t)(run->maxexits * 2);
		struct fr_exit *exits = PyMem_Malloc(max * sizeof(*exits));
		if (!exits || max < run->maxexits) {
			PyMem_Free(exits);
			PyErr_NoMemory();
			return -1;
		}
		memcpy(exits, run->exits, run->nexits * sizeof(*exits));
		if (run->exits != run->exits_inline)
			PyMem_Free(run->exits);
		run->exits = exits;
		run->maxexits = max;
	}
	run->exits[run->nexits++] = (struct fr_exit){ .object = Py_NewRef(object),
		                                      .kind = (uint8_t)kind,
		                                      .function_scope = function_scope,
		                                      .place = place };
	return 0;
}

void fr_exits_clear(struct fr_run *run)
{
	while (run->nexits)
		Py_CLEAR(run->exits[--run->nexits].object);
}

/* ---- one generator, as contextlib.contextmanager has it ---- */

PyObject *fr_gen_enter(PyObject *gen)
{
	PyTypeObject *type = Py_TYPE(gen);
	PyObject *value = type->tp_iternext ? type->tp_iternext(gen) : NULL;
	if (!value && !type->tp_iternext)
		PyErr_Format(PyExc_TypeError, "'%.100s' object is not an iterator", type->tp_name);
	if (!value && (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_StopIteration))) {
		PyErr_Clear();
		PyErr_SetString(PyExc_RuntimeError, "generator didn't yield");
	}
	return value;
}

static PyObject *didnt_stop(PyObject *gen, PyObject *value, const char *text)
{
	Py_DECREF(value);
	PyObject *closed = PyObject_CallMethod(gen, "close", NULL);
	if (!closed)
		return NULL;
	Py_DECREF(closed);
	PyErr_SetString(PyExc_RuntimeError, text);
	return NULL;
}

/*
 * The exception that came out when exc was thrown in (both may be taken for
 * the same): True if exc ends here, False if it goes on, NULL and the new one.
 */
static PyObject *came_out(PyObject *exc, PyObject *tb, PyObject *stop_type)
{
	PyObject *out = fr_exc_take();
	if (out == exc) {
		PyException_SetTraceback(exc, tb ? tb : Py_None);
		Py_DECREF(out);
		return Py_NewRef(Py_False);
	}
	if (PyErr_GivenExceptionMatches(out, stop_type)) {
		Py_DECREF(out);
		return Py_NewRef(Py_True);
	}
	if (PyErr_GivenExceptionMatches(out, PyExc_RuntimeError) &&
	    (PyErr_GivenExceptionMatches(exc, PyExc_StopIteration) ||
	     PyErr_GivenExceptionMatches(exc, PyExc_StopAsyncIteration))) {
		/* PEP 479 wrapped what was thrown in. */
		PyObject *cause = PyException_GetCause(out);
		Py_XDECREF(cause);
		if (cause == exc) {
			PyException_SetTraceback(exc, tb ? tb : Py_None);
			Py_DECREF(out);
			return Py_NewRef(Py_False);
		}
	}
	fr_exc_set(out);
	return NULL;
}

PyObject *fr_gen_exit(PyObject *gen, PyObject *exc)
{
	if (!exc || exc == Py_None) {
		PyObject *value = Py_TYPE(gen)->tp_iternext(gen);
		if (value)
			return didnt_stop(gen, value, "generator didn't stop");
		if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_StopIteration))
			return NULL;
		PyErr_Clear();
		return Py_NewRef(Py_False);
	}
	PyObject *tb = PyException_GetTraceback(exc);
	PyObject *value = PyObject_CallMethod(gen, "throw", "O", exc), *result;
	if (value)
		result = didnt_stop(gen, value, "generator didn't stop after throw()");
	else
		result = came_out(exc, tb, PyExc_StopIteration);
	Py_XDECREF(tb);
	return result;
}

/* ---- the stack ---- */

/* The next to exit in this stage; NULL: none. */
static struct fr_exit *next_exit(struct fr_run *run)
{
	for (unsigned i = run->nexits; i-- > 0;) {
		struct fr_exit *exit = &run->exits[i];
		if (exit->object && (run->stage != FR_STAGE_FUNCTION || exit->function_scope))
			return exit;
	}
	return NULL;
}

/* The exits of this stage are done. */
static enum fr_flow stage_done(struct fr_run *run)
{
	if (run->stage == FR_STAGE_FUNCTION) {
		run->stage = FR_STAGE_REQUEST;
		if (run->exc)
			return FR_FLOW_GO; /* on with the exits of the request */
		if (run->answer)
			return fr_run_send(run, FR_PHASE_SENT);
	} else {
		run->stage = FR_STAGE_ROUTE;
		if (run->exc || run->answered) {
			run->phase = run->exc ? FR_PHASE_HANDLE : FR_PHASE_CLOSE_FORM;
			return FR_FLOW_GO;
		}
	}
	/* A generator swallowed the exception that kept the answer from being made or sent. */
	PyObject *type = FR_GET(run->program->state, fastapi_error);
	if (type)
		PyErr_SetString(
			type,
			"Response not awaited. There's a high chance that the application code "
			"is raising an exception and a dependency with yield has a block with a "
			"bare except, or a block with except Exception, and is not raising the "
			"exception again. Read more about it in the docs: "
			"https://fastapi.tiangolo.com/tutorial/dependencies/"
			"dependencies-with-yield/#dependencies-with-yield-and-except");
	if (run->stage == FR_STAGE_REQUEST)
		return FR_FLOW_RAISE;
	fr_set(&run->exc, fr_exc_take());
	run->phase = FR_PHASE_HANDLE;
	return FR_FLOW_GO;
}

/* What an exit came to: swallowed, nothing, or a new exception that is set (result NULL). */
static void outcome(struct fr_run *run, PyObject *result)
{
	if (result) {
		int swallowed = PyObject_IsTrue(result);
		Py_DECREF(result);
		if (swallowed >= 0) {
			if (swallowed)
				Py_CLEAR(run->exc);
			return;
		}
	}
	PyObject *exc = fr_exc_take();
	if (run->exc && exc != run->exc) {
		PyObject *context = PyException_GetContext(exc);
		if (!context)
			PyException_SetContext(exc, Py_NewRef(run->exc));
		Py_XDECREF(context);
	}
	fr_set(&run->exc, exc);
}

static PyObject *call_exit(struct fr_run *run, PyObject *object, PyObject *name)
{
	PyObject *exc = run->exc;
	if (!exc)
		return PyObject_CallMethodObjArgs(object, name, Py_None, Py_None, Py_None, NULL);
	PyObject *tb = PyException_GetTraceback(exc);
	PyObject *result = PyObject_CallMethodObjArgs(object, name, (PyObject *)Py_TYPE(exc), exc,
	                                              tb ? tb : Py_None, NULL);
	Py_XDECREF(tb);
	return result;
}

static int set_shield(struct fr_run *run, PyObject *on)
{
	return run->shield ? PyObject_SetAttr(run->shield, run->program->state->names.shield, on)
	                   : 0;
}

/* Leaves the anyio scope around one exit in a thread. */
static PyObject *leave_thread_scope(struct fr_run *run, PyObject *result)
{
	if (!run->thread_scope)
		return result;
	PyObject *failed = result ? NULL : fr_exc_take();
	PyObject *left =
		PyObject_CallMethodObjArgs(run->thread_scope, run->program->state->names.__exit__,
	                                   Py_None, Py_None, Py_None, NULL);
	Py_CLEAR(run->thread_scope);
	if (!left) {
		Py_XDECREF(failed);
		Py_XDECREF(result);
		return NULL;
	}
	Py_DECREF(left);
	if (failed)
		fr_exc_set(failed);
	return result;
}

static PyObject *enter_thread_scope(struct fr_run *run)
{
	struct fr_state *state = run->program->state;
	PyObject *type = FR_GET(state, cancel_scope);
	PyObject *scope = type ? PyObject_CallNoArgs(type) : NULL;
	if (!scope)
		return NULL;
	PyObject *entered = NULL;
	if (PyObject_SetAttr(scope, state->names.shield, Py_True) == 0)
		entered = PyObject_CallMethodNoArgs(scope, state->names.__enter__);
	if (!entered) {
		Py_DECREF(scope);
		return NULL;
	}
	Py_DECREF(entered);
	return run->thread_scope = scope;
}

/* A sync generator: where its callable is placed; in a thread it may not be cancelled. */
static enum fr_flow exit_gen(struct fr_run *run, struct fr_exit *exit, PyObject *gen)
{
	PyObject *arg[1] = { run->exc ? run->exc : Py_None }, *value = NULL, *thunk = NULL;
	int rc = fr_place_call(run->program, exit->place, FR_THUNK_EXIT, gen, arg, 1, NULL, &value,
	                       &thunk);
	fr_set(&run->thunk, thunk);
	if (rc == 0) {
		if (run->in->foreign && !enter_thread_scope(run)) {
			Py_DECREF(value);
			return FR_FLOW_RAISE;
		}
		return fr_run_await(run, value, FR_PHASE_EXITED);
	}
	outcome(run, rc > 0 ? value : NULL);
	return FR_FLOW_GO;
}

static enum fr_flow exit_agen(struct fr_run *run, PyObject *gen)
{
	PyObject *awaitable;
	if (set_shield(run, Py_True) < 0)
		return FR_FLOW_RAISE;
	if (run->exc) {
		fr_set(&run->exc_tb, PyException_GetTraceback(run->exc));
		awaitable =
			PyObject_CallMethodOneArg(gen, run->program->state->names.athrow, run->exc);
	} else {
		awaitable = Py_TYPE(gen)->tp_as_async->am_anext(gen);
	}
	return fr_run_await(run, awaitable, FR_PHASE_EXITED);
}

enum fr_flow fr_phase_exits(struct fr_run *run)
{
	struct fr_exit *exit = next_exit(run);
	if (!exit)
		return stage_done(run);
	PyObject *object = exit->object;
	exit->object = NULL;
	fr_set(&run->exiting, object);
	run->exiting_kind = exit->kind;
	switch (exit->kind) {
	case FR_EXIT_GEN:
		return exit_gen(run, exit, object);
	case FR_EXIT_AGEN:
		return exit_agen(run, object);
	case FR_EXIT_SCOPE:
		if (set_shield(run, Py_False) < 0)
			return FR_FLOW_RAISE;
		Py_CLEAR(run->shield);
		outcome(run, call_exit(run, object, run->program->state->names.__exit__));
		return FR_FLOW_GO;
	default:
		return fr_run_await(run,
		                    call_exit(run, object, run->program->state->names.__aexit__),
		                    FR_PHASE_EXITED);
	}
}

/* An async generator has ended, or should have. */
static enum fr_flow agen_ended(struct fr_run *run)
{
	if (set_shield(run, Py_False) < 0)
		return FR_FLOW_RAISE;
	if (run->value) {
		Py_CLEAR(run->value);
		PyErr_SetString(PyExc_RuntimeError, run->exc
		                                            ? "generator didn't stop after athrow()"
		                                            : "generator didn't stop");
		outcome(run, NULL);
		/* It stands at a second yield: close it. */
		run->exiting_kind = FR_EXIT_STACK;
		return fr_run_await(
			run,
			PyObject_CallMethodNoArgs(run->exiting, run->program->state->names.aclose),
			FR_PHASE_EXITED);
	}
	fr_run_raised(run);
	if (run->exc) {
		PyObject *exc = Py_NewRef(run->exc), *tb = run->exc_tb;
		run->exc_tb = NULL;
		outcome(run, came_out(exc, tb, PyExc_StopAsyncIteration));
		Py_DECREF(exc);
		Py_XDECREF(tb);
	} else if (PyErr_ExceptionMatches(PyExc_StopAsyncIteration)) {
		PyErr_Clear();
	} else {
		outcome(run, NULL);
	}
	if (run->exc || !run->shield)
		return FR_FLOW_GO;
	/* What the shield, or the generator, kept from the task is due now. */
	PyObject *fn = FR_GET(run->program->state, checkpoint);
	run->exiting_kind = FR_EXIT_STACK;
	return fr_run_await(run, fn ? PyObject_CallNoArgs(fn) : NULL, FR_PHASE_EXITED);
}

enum fr_flow fr_phase_exited(struct fr_run *run)
{
	run->phase = FR_PHASE_EXITS;
	if (run->exiting_kind == FR_EXIT_AGEN)
		return agen_ended(run);
	PyObject *result = run->value;
	run->value = NULL;
	if (run->failed) {
		Py_CLEAR(result);
		fr_run_raised(run);
	}
	outcome(run, leave_thread_scope(run, result));
	return FR_FLOW_GO;
}
