/*
 * Calls: dependencies, the endpoint, and what FastAPI injects by type.
 */
#include "workers/exec.h"
#include "workers/place.h"

int fr_step_special(struct fr_run *run, const struct fr_step *step)
{
	PyObject *value = NULL;
	switch (step->in) {
	case FR_SPECIAL_REQUEST:
	case FR_SPECIAL_CONNECTION:
		value = Py_XNewRef(fr_run_request(run));
		break;
	case FR_SPECIAL_RESPONSE:
		value = Py_XNewRef(fr_run_response(run));
		break;
	case FR_SPECIAL_BACKGROUND:
		value = Py_XNewRef(fr_run_background(run));
		break;
	default: {
		PyObject *type = FR_GET(run->program->state, security_scopes);
		PyObject *scopes = fr_program_object(run->program, step->object);
		/* Each gets a list of its own. */
		PyObject *list = !type ? NULL : scopes ? PySequence_List(scopes) : PyList_New(0);
		value = list ? PyObject_CallOneArg(type, list) : NULL;
		Py_XDECREF(list);
	}
	}
	if (!value)
		return -1;
	if (step->slot == FR_NONE16)
		Py_DECREF(value);
	else
		fr_set(&run->slots[step->slot], value);
	return 0;
}

/* ---- calls ---- */

#define STACK_ARGS 12

/* Gathers the arguments: room for one more before them, as vectorcall likes it. */
static PyObject **gather(struct fr_run *run, struct fr_bound *b, PyObject **stack)
{
	PyObject **args = stack;
	if (b->nargs + 1 > STACK_ARGS) {
		args = PyMem_Malloc((b->nargs + 1) * sizeof(*args));
		if (!args) {
			PyErr_NoMemory();
			return NULL;
		}
	}
	for (uint32_t i = 0; i < b->nargs; i++) {
		PyObject *value = b->slots[i] == FR_NONE16 ? NULL : run->slots[b->slots[i]];
		/* An argument without a value can't be: errors would have ended the request. */
		args[i + 1] = value ? value : Py_None;
	}
	return args;
}

static void keep_result(struct fr_run *run, const struct fr_step *step, PyObject *value)
{
	if (step->cache != FR_NONE16 && step->op == FR_OP_CALL && !run->caches[step->cache])
		run->caches[step->cache] = Py_NewRef(value);
	if (step->op == FR_OP_ENDPOINT)
		fr_set(&run->content, Py_NewRef(value));
	if (step->slot == FR_NONE16)
		Py_DECREF(value);
	else
		fr_set(&run->slots[step->slot], value);
}

/* A value (stolen) of a `def`, or its awaitable. */
static enum fr_flow placed(struct fr_run *run, const struct fr_step *step, int rc, PyObject *value)
{
	if (rc < 0)
		return FR_FLOW_RAISE;
	if (rc == 0)
		return fr_run_await(run, value, FR_PHASE_CALLED);
	keep_result(run, step, value);
	return FR_FLOW_GO;
}

/* Begins an async generator: inside an anyio scope if the task is somebody else's. */
static enum fr_flow enter_agen(struct fr_run *run, const struct fr_step *step, PyObject *gen)
{
	struct fr_state *state = run->program->state;
	if (run->in->foreign && !run->shield) {
		/*
		 * Whoever drives the task may cancel it by an anyio scope; exits must
		 * then still be able to wait.  The scope is entered before the first
		 * generator, so that scopes opened by generators nest within it.
		 */
		PyObject *type = FR_GET(state, cancel_scope);
		PyObject *scope = type ? PyObject_CallNoArgs(type) : NULL;
		PyObject *entered =
			scope ? PyObject_CallMethodNoArgs(scope, state->names.__enter__) : NULL;
		if (!entered || fr_exit_push(run, FR_EXIT_SCOPE, scope, false, 0) < 0) {
			Py_XDECREF(scope);
			Py_XDECREF(entered);
			Py_DECREF(gen);
			return FR_FLOW_RAISE;
		}
		Py_DECREF(entered);
		run->shield = scope;
	}
	PyTypeObject *type = Py_TYPE(gen);
	PyObject *next = NULL;
	if (type->tp_as_async && type->tp_as_async->am_anext)
		next = type->tp_as_async->am_anext(gen);
	else
		PyErr_Format(PyExc_TypeError, "'%.100s' object is not an async iterator",
		             type->tp_name);
	if (!next ||
	    fr_exit_push(run, FR_EXIT_AGEN, gen, step->flags & FR_STEP_FUNCTION_SCOPE, 0) < 0) {
		Py_XDECREF(next);
		Py_DECREF(gen);
		return FR_FLOW_RAISE;
	}
	Py_DECREF(gen);
	return fr_run_await(run, next, FR_PHASE_ENTERED);
}

/* A dependency's generator (stolen) runs to its first yield. */
static enum fr_flow enter_gen(struct fr_run *run, const struct fr_step *step, PyObject *gen)
{
	PyObject *value = NULL, *thunk = NULL;
	if (fr_exit_push(run, FR_EXIT_GEN, gen, step->flags & FR_STEP_FUNCTION_SCOPE, step->place) <
	    0) {
		Py_DECREF(gen);
		return FR_FLOW_RAISE;
	}
	int rc = fr_place_call(run->program, step->place, FR_THUNK_ENTER, gen, NULL, 0, NULL,
	                       &value, &thunk);
	Py_DECREF(gen);
	fr_set(&run->thunk, thunk);
	if (rc < 0) {
		run->nexits--;
		Py_CLEAR(run->exits[run->nexits].object);
	}
	if (rc == 0)
		return fr_run_await(run, value, FR_PHASE_ENTERED);
	return placed(run, step, rc, value);
}

static enum fr_flow call(struct fr_run *run, const struct fr_step *step)
{
	struct fr_bound *b = fr_program_bound(run->program, step);
	PyObject *callable = fr_program_object(run->program, step->object);
	PyObject *stack[STACK_ARGS], *value = NULL, *thunk = NULL;
	PyObject **args = gather(run, b, stack);
	if (!args)
		return FR_FLOW_RAISE;
	PyObject *kwnames = b->nargs ? b->kwnames : NULL;
	enum fr_flow flow;
	if (step->mode == FR_MODE_SYNC) {
		int rc = fr_place_call(run->program, step->place, FR_THUNK_CALL, callable, args + 1,
		                       0, kwnames, &value, &thunk);
		fr_set(&run->thunk, thunk);
		flow = placed(run, step, rc, value);
	} else {
		value = PyObject_Vectorcall(callable, args + 1, PY_VECTORCALL_ARGUMENTS_OFFSET,
		                            kwnames);
		if (!value) {
			flow = FR_FLOW_RAISE;
		} else if (step->mode == FR_MODE_ASYNC) {
			flow = fr_run_await(run, value, FR_PHASE_CALLED);
		} else if (step->op == FR_OP_ENDPOINT) {
			keep_result(run, step, value); /* a stream: RESPOND starts it */
			flow = FR_FLOW_GO;
		} else {
			flow = step->mode == FR_MODE_AGEN ? enter_agen(run, step, value)
			                                  : enter_gen(run, step, value);
		}
	}
	if (args != stack)
		PyMem_Free(args);
	return flow;
}

enum fr_flow fr_step_call(struct fr_run *run, const struct fr_step *step)
{
	if (step->mark != FR_NONE16 && run->nerrors > run->marks[step->mark])
		return FR_FLOW_GO;
	return call(run, step);
}

enum fr_flow fr_step_endpoint(struct fr_run *run, const struct fr_step *step)
{
	if (!run->nerrors)
		return call(run, step);
	PyObject *body = Py_None;
	if (run->direct && !run->json) {
		run->json = fr_run_loads(run);
		if (!run->json)
			return FR_FLOW_RAISE;
	}
	if (run->json)
		body = run->json;
	else if (run->body && !(PyBytes_CheckExact(run->body) && !PyBytes_GET_SIZE(run->body)))
		body = run->body;
	PyObject *exc = fr_request_error(run, run->errors, body);
	if (exc)
		fr_exc_set(exc);
	return FR_FLOW_RAISE;
}

enum fr_flow fr_phase_called(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	PyObject *value = run->value;
	run->value = NULL;
	keep_result(run, &run->steps[run->pc], value);
	run->phase = FR_PHASE_STEPS;
	run->pc++;
	return FR_FLOW_GO;
}

enum fr_flow fr_phase_entered(struct fr_run *run)
{
	if (run->failed) {
		/* It never yielded: there is nothing to exit. */
		struct fr_exit *exit = &run->exits[--run->nexits];
		Py_CLEAR(exit->object);
		if (exit->kind == FR_EXIT_AGEN &&
		    PyErr_GivenExceptionMatches(run->failed, PyExc_StopAsyncIteration)) {
			PyObject *cause = run->failed;
			run->failed = NULL;
			PyErr_SetString(PyExc_RuntimeError, "generator didn't yield");
			PyObject *exc = fr_exc_take();
			PyException_SetContext(exc, cause);
			fr_exc_set(exc);
			return FR_FLOW_RAISE;
		}
		fr_run_raised(run);
		return FR_FLOW_RAISE;
	}
	return fr_phase_called(run);
}
