/*
 * What becomes of exceptions: the way out of the steps, the application's
 * handlers, the form that is closed on the way, and the 500.
 */
#include "workers/exec.h"

/* Whether somebody asked the task that runs this to stop.  No exception may be set. */
static bool is_cancelled(struct fr_run *run)
{
	PyObject *current = FR_GET(run->program->state, current_task);
	PyObject *task = current ? PyObject_CallNoArgs(current) : NULL;
	PyObject *count = NULL;
	if (task && task != Py_None)
		count = PyObject_CallMethod(task, "cancelling", NULL);
	bool cancelled = count && PyObject_IsTrue(count) > 0;
	PyErr_Clear();
	Py_XDECREF(count);
	Py_XDECREF(task);
	return cancelled;
}

/*
 * Over a socket no request ends the worker, whatever its handler raises: it
 * is told, and ends here.  Only who stops the task itself is to see it.
 */
static bool stays(struct fr_run *run, PyObject *exc)
{
	if (!run->in->toplevel || run->in->foreign ||
	    PyErr_GivenExceptionMatches(exc, PyExc_GeneratorExit))
		return false;
	if (PyErr_GivenExceptionMatches(exc, PyExc_Exception))
		return true;
	PyObject *cancelled = FR_GET(run->program->state, cancelled_error);
	if (!cancelled)
		PyErr_Clear();
	return !cancelled || !PyErr_GivenExceptionMatches(exc, cancelled) || !is_cancelled(run);
}

enum fr_flow fr_run_unwind(struct fr_run *run)
{
	PyObject *exc = fr_exc_take();
	if (!exc) {
		PyErr_SetString(PyExc_SystemError, "a step failed without an exception");
		exc = fr_exc_take();
	}
	switch (run->stage) {
	case FR_STAGE_FUNCTION:
	case FR_STAGE_REQUEST:
		fr_set(&run->exc, exc);
		run->phase = FR_PHASE_EXITS;
		return FR_FLOW_GO;
	case FR_STAGE_ROUTE:
		fr_set(&run->exc, exc);
		run->phase = FR_PHASE_CLOSE_FORM;
		return FR_FLOW_GO;
	case FR_STAGE_ROUTER:
		fr_set(&run->exc, exc);
		run->stage = FR_STAGE_APP;
		run->phase = FR_PHASE_HANDLE;
		return FR_FLOW_GO;
	case FR_STAGE_APP:
		fr_set(&run->exc, exc);
		run->phase = FR_PHASE_TOP;
		return FR_FLOW_GO;
	default:
		if (!run->in->foreign)
			fr_error_log(run, exc, "the request failed");
		if (stays(run, exc)) {
			Py_DECREF(exc);
			return FR_FLOW_DONE; /* a Task would tell it once more */
		}
		fr_exc_set(exc);
		return FR_FLOW_OUT;
	}
}

enum fr_flow fr_phase_handle(struct fr_run *run)
{
	if (!PyErr_GivenExceptionMatches(run->exc, PyExc_Exception)) {
		run->phase = run->stage == FR_STAGE_ROUTE ? FR_PHASE_CLOSE_FORM : FR_PHASE_TOP;
		return FR_FLOW_GO;
	}
	struct fr_state *state = run->program->state;
	PyObject *request = fr_run_request(run);
	PyObject *find = request ? FR_GET(state, find_handler) : NULL;
	PyObject *fn = find ? FR_GET(state, handle_exception) : NULL;
	PyObject *handler =
		fn ? PyObject_CallFunctionObjArgs(find, run->program->app, run->exc, NULL) : NULL;
	if (!handler)
		return FR_FLOW_RAISE;
	Py_DECREF(handler);
	if (handler == Py_None) {
		fr_exc_set(Py_NewRef(run->exc));
		return FR_FLOW_RAISE;
	}
	if (run->in->transport->started(run->in)) {
		PyErr_SetString(PyExc_RuntimeError,
		                "Caught handled exception, but response already started.");
		PyObject *exc = fr_exc_take();
		PyException_SetCause(exc, Py_NewRef(run->exc));
		fr_exc_set(exc);
		return FR_FLOW_RAISE;
	}
	return fr_run_await(
		run, PyObject_CallFunctionObjArgs(fn, run->program->app, request, run->exc, NULL),
		FR_PHASE_HANDLED);
}

enum fr_flow fr_phase_handled(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	if (run->value == Py_None) {
		run->phase = FR_PHASE_HANDLER_SENT;
		return FR_FLOW_GO;
	}
	fr_set(&run->answer, Py_NewRef(run->value));
	return fr_run_send(run, FR_PHASE_HANDLER_SENT);
}

enum fr_flow fr_phase_handler_sent(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	/* An instance that is raised again and again would keep every traceback. */
	if (PyException_SetTraceback(run->exc, Py_None) < 0)
		PyErr_Clear();
	Py_CLEAR(run->exc);
	run->phase = FR_PHASE_CLOSE_FORM;
	return FR_FLOW_GO;
}

enum fr_flow fr_phase_close_form(struct fr_run *run)
{
	PyObject *form = run->form;
	run->form = NULL;
	run->phase = FR_PHASE_FORM_CLOSED;
	if (!form)
		return FR_FLOW_GO;
	PyObject *awaitable = PyObject_CallMethodNoArgs(form, run->program->state->names.close);
	Py_DECREF(form);
	run->stage = FR_STAGE_ROUTER; /* past the route's own handlers */
	return fr_run_await(run, awaitable, FR_PHASE_FORM_CLOSED);
}

enum fr_flow fr_phase_form_closed(struct fr_run *run)
{
	if (run->failed)
		fr_set(&run->exc, Py_NewRef(run->failed));
	Py_CLEAR(run->failed);
	run->stage = FR_STAGE_APP;
	run->phase = run->exc ? FR_PHASE_HANDLE : FR_PHASE_DONE;
	return FR_FLOW_GO;
}

/* ---- the 500 ---- */

enum fr_flow fr_phase_top(struct fr_run *run)
{
	if (!run->in->toplevel || !PyErr_GivenExceptionMatches(run->exc, PyExc_Exception)) {
		bool told = stays(run, run->exc);
		fr_exc_set(Py_NewRef(run->exc));
		if (!told)
			return FR_FLOW_OUT;
		run->stage = FR_STAGE_TOP;
		return FR_FLOW_RAISE; /* told, and ended */
	}
	if (!run->in->foreign)
		fr_error_log(run, run->exc, "an exception was not handled");
	run->stage = FR_STAGE_TOP;
	PyObject *request = fr_run_request(run);
	PyObject *fn = request ? FR_GET(run->program->state, server_error_response) : NULL;
	if (!fn)
		return FR_FLOW_RAISE;
	return fr_run_await(
		run, PyObject_CallFunctionObjArgs(fn, run->program->app, request, run->exc, NULL),
		FR_PHASE_TOP_MADE);
}

enum fr_flow fr_phase_top_made(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	if (run->in->transport->started(run->in)) {
		run->phase = FR_PHASE_TOP_SENT;
		return FR_FLOW_GO;
	}
	fr_set(&run->answer, Py_NewRef(run->value));
	return fr_run_send(run, FR_PHASE_TOP_SENT);
}

enum fr_flow fr_phase_top_sent(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	if (!run->in->foreign)
		return FR_FLOW_DONE; /* it is logged and answered; a Task would tell it once more */
	fr_exc_set(Py_NewRef(run->exc));
	return FR_FLOW_OUT;
}
