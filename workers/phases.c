/*
 * The phases of a request that have no file of their own: look-up, the loop
 * over the steps, and foreign ASGI callables.
 */
#include "workers/exec.h"

#include <string.h>

/* ---- look-up ---- */

static bool span_is(struct fr_span a, const char *p, size_t len)
{
	return a.len == len && memcmp(a.p, p, len) == 0;
}

static bool method_fits(const struct fr_image *image, const struct fr_route *route,
                        const struct fr_input *in)
{
	if (route->methods & FR_ANY)
		return true;
	if (in->method != FR_OTHER)
		return route->methods & in->method;
	const struct fr_str *names = FR_IMAGE_AT(image, route->method_names.off);
	for (uint32_t i = 0; i < route->method_names.count; i++)
		if (span_is(in->method_name, fr_str_in(image, names[i]), names[i].len))
			return true;
	return false;
}

/* A Starlette route is asked; its child scope is kept if it says yes. */
static int side_route(struct fr_run *run, PyObject *object, const char *path, size_t len)
{
	struct fr_state *state = run->program->state;
	PyObject *scope = fr_run_scope(run), *copy = NULL, *answer = NULL;
	int rc = -1;
	if (!scope)
		return -1;
	if (!span_is(run->in->path, path, len)) {
		/* The slash redirect asks for a path that isn't the request's. */
		PyObject *text = fr_text(path, len);
		copy = PyDict_Copy(scope);
		rc = text && copy ? PyDict_SetItem(copy, state->names.path, text) : -1;
		Py_XDECREF(text);
		if (rc < 0)
			goto out;
		scope = copy;
	}
	rc = -1;
	PyObject *full = FR_GET(state, match_full), *none = FR_GET(state, match_none);
	if (!full || !none)
		goto out;
	answer = PyObject_CallMethodOneArg(object, state->names.matches, scope);
	if (!answer)
		goto out;
	if (!PyTuple_Check(answer) || PyTuple_GET_SIZE(answer) != 2) {
		PyErr_SetString(PyExc_TypeError,
		                "a route's matches() must give a match and a scope");
		goto out;
	}
	PyObject *match = PyTuple_GET_ITEM(answer, 0);
	rc = match == full ? FR_MATCH_FULL : match == none ? FR_MATCH_NONE : FR_MATCH_METHOD;
	if (!copy && (rc == FR_MATCH_FULL || (rc == FR_MATCH_METHOD && !run->match)))
		fr_set(&run->match, Py_NewRef(PyTuple_GET_ITEM(answer, 1)));
out:
	Py_XDECREF(answer);
	Py_XDECREF(copy);
	return rc;
}

static int on_side(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	struct fr_run *run = arg;
	const struct fr_image *image = run->program->image;
	PyObject *object = fr_program_object(run->program, side->object);
	if (side->kind == FR_SIDE_ROUTE)
		return side_route(run, object, path, len);
	PyObject *text = fr_text(path, len);
	PyObject *match =
		text ? PyObject_CallMethodOneArg(object, run->program->state->names.match, text)
		     : NULL;
	Py_XDECREF(text);
	if (!match)
		return -1;
	int rc = FR_MATCH_NONE;
	if (match != Py_None) {
		const struct fr_route *routes = FR_IMAGE_AT(image, image->routes.off);
		rc = method_fits(image, &routes[side->route], run->in) ? FR_MATCH_FULL
		                                                       : FR_MATCH_METHOD;
		if (rc == FR_MATCH_FULL || !run->match)
			fr_set(&run->match, Py_NewRef(match));
	}
	Py_DECREF(match);
	return rc;
}

/* Registers for the route's plan. */
static int take_route(struct fr_run *run, const struct fr_route *route)
{
	size_t n = (size_t)route->nslots + route->ncaches;
	run->slots = run->registers;
	if (n > FR_RUN_INLINE) {
		run->slots = PyMem_Calloc(n, sizeof(*run->slots));
		if (!run->slots) {
			PyErr_NoMemory();
			return -1;
		}
	} else {
		memset(run->registers, 0, n * sizeof(*run->registers));
	}
	run->caches = run->slots + route->nslots;
	run->marks = run->marks_inline;
	if (route->nmarks > sizeof(run->marks_inline) / sizeof(run->marks_inline[0])) {
		run->marks = PyMem_Calloc(route->nmarks, sizeof(*run->marks));
		if (!run->marks) {
			PyErr_NoMemory();
			return -1;
		}
	}
	run->steps = fr_program_steps(run->program, route);
	run->route = route;
	return 0;
}

int fr_run_lookup(struct fr_run *run)
{
	const struct fr_image *image = run->program->image;
	struct fr_input *in = run->in;
	fr_side_fn *side = image->sides.count ? on_side : NULL;
	if (fr_route_find(image, in->method, in->method_name, in->path.p, in->path.len, side, run,
	                  &run->found) < 0) {
		if (!PyErr_Occurred())
			PyErr_NoMemory();
		return -1;
	}
	run->looked_up = true;
	if (run->found.kind == FR_MATCH_NONE)
		return 0;
	if (run->found.side == FR_NONE32)
		Py_CLEAR(run->match);
	const struct fr_route *routes = FR_IMAGE_AT(image, image->routes.off);
	return take_route(run, &routes[run->found.route]);
}

/* ---- the start ---- */

/* Puts the route's limit around an ASGI callable's receive and send; NULL: an exception. */
static void limit(struct fr_run *run, PyObject *scope, PyObject **receive, PyObject **send)
{
	PyObject *fn = FR_GET(run->program->state, limit_body);
	PyObject *both = fn ? PyObject_CallFunction(fn, "OOOI", scope, *receive, *send,
	                                            (unsigned)run->route->max_body)
	                    : NULL;
	PyObject *in = NULL, *out = NULL;
	if (both && PyArg_ParseTuple(both, "OO", &in, &out)) {
		Py_INCREF(in);
		Py_INCREF(out);
	}
	fr_set(receive, in);
	fr_set(send, out);
	Py_XDECREF(both);
}

/* Awaits an ASGI callable: object, or its method handle. */
static enum fr_flow foreign(struct fr_run *run, PyObject *object, PyObject *method)
{
	PyObject *scope = fr_run_scope(run), *awaitable = NULL;
	if (!scope)
		return FR_FLOW_RAISE;
	PyObject *receive = run->in->transport->receive(run->in);
	PyObject *send = receive ? run->in->transport->send(run->in) : NULL;
	if (send && run->route && run->route->max_body != FR_NONE32 && !run->in->transport->limit)
		limit(run, scope, &receive, &send);
	if (send)
		awaitable =
			method ? PyObject_CallMethodObjArgs(object, method, scope, receive, send,
		                                            NULL)
			       : PyObject_CallFunctionObjArgs(object, scope, receive, send, NULL);
	Py_XDECREF(receive);
	Py_XDECREF(send);
	return fr_run_await(run, awaitable, FR_PHASE_FOREIGN);
}

static enum fr_flow enter_middleware(struct fr_run *run)
{
	struct fr_names *names = &run->program->state->names;
	PyObject *app = run->program->app, *traced = PyObject_GetAttr(app, names->_traced);
	int whole = traced ? PyObject_IsTrue(traced) : -1;
	Py_XDECREF(traced);
	if (whole < 0)
		return FR_FLOW_RAISE;
	PyObject *stack =
		PyObject_GetAttr(app, whole ? names->_python_asgi : names->middleware_stack);
	if (stack == Py_None) {
		Py_SETREF(stack, PyObject_CallMethodNoArgs(run->program->app,
		                                           names->build_middleware_stack));
		if (stack &&
		    PyObject_SetAttr(run->program->app, names->middleware_stack, stack) < 0)
			Py_CLEAR(stack);
	}
	if (!stack)
		return FR_FLOW_RAISE;
	run->in_middleware = true;
	run->stage = FR_STAGE_TOP;
	enum fr_flow flow = foreign(run, stack, NULL);
	Py_DECREF(stack);
	return flow;
}

/* A slash more or less would match: the redirect. 1: made, 0: no, -1: an exception. */
static int redirect(struct fr_run *run)
{
	struct fr_input *in = run->in;
	size_t len = 0;
	int add = 0;
	fr_side_fn *side = run->program->image->sides.count ? on_side : NULL;
	int found = fr_route_redirect(run->program->image, in->path.p, in->path.len, side, run,
	                              &len, &add);
	if (found < 0 && !PyErr_Occurred())
		PyErr_NoMemory();
	if (found <= 0)
		return found;
	struct fr_state *state = run->program->state;
	PyObject *type = FR_GET(state, url_type), *response = FR_GET(state, redirect_response);
	PyObject *scope = type && response ? fr_run_scope(run) : NULL;
	PyObject *copy = scope ? PyDict_Copy(scope) : NULL, *text = NULL, *url = NULL,
		 *target = NULL;
	if (!copy)
		return -1;
	struct fr_span full = in->full_path;
	while (!add && full.len && full.p[full.len - 1] == '/')
		full.len--;
	text = fr_text(full.p, full.len);
	if (text && add)
		Py_SETREF(text, PyUnicode_FromFormat("%U/", text));
	if (text && PyDict_SetItem(copy, state->names.path, text) == 0) {
		PyObject *kw = PyTuple_Pack(1, state->names.scope);
		url = kw ? PyObject_Vectorcall(type, &copy, 0, kw) : NULL;
		Py_XDECREF(kw);
	}
	target = url ? PyObject_Str(url) : NULL;
	fr_set(&run->answer, target ? PyObject_CallOneArg(response, target) : NULL);
	Py_XDECREF(text);
	Py_XDECREF(url);
	Py_XDECREF(target);
	Py_DECREF(copy);
	return run->answer ? 1 : -1;
}

/* Raises starlette.exceptions.HTTPException(status, headers={name: value}). */
static enum fr_flow raise_http(struct fr_run *run, long status, const char *name, PyObject *value)
{
	PyObject *type = FR_GET(run->program->state, http_exception);
	PyObject *headers = value ? Py_BuildValue("{sO}", name, value) : Py_NewRef(Py_None);
	PyObject *args = headers ? Py_BuildValue("(lOO)", status, Py_None, headers) : NULL;
	PyObject *exc = type && args ? PyObject_CallObject(type, args) : NULL;
	Py_XDECREF(headers);
	Py_XDECREF(args);
	if (exc)
		fr_exc_set(exc);
	return FR_FLOW_RAISE;
}

static enum fr_flow not_found(struct fr_run *run)
{
	int redirected = redirect(run);
	if (redirected < 0)
		return FR_FLOW_RAISE;
	if (redirected)
		return fr_run_send(run, FR_PHASE_DONE);
	PyObject *app = run->program->app, *name = run->program->state->names._fallback;
	PyObject *fallback = PyObject_CallMethodNoArgs(app, name);
	if (!fallback)
		return FR_FLOW_RAISE;
	enum fr_flow flow = fallback == Py_None ? raise_http(run, 404, NULL, NULL)
	                                        : foreign(run, fallback, NULL);
	Py_DECREF(fallback);
	return flow;
}

static enum fr_flow method_not_allowed(struct fr_run *run)
{
	const struct fr_image *image = run->program->image;
	const struct fr_str *names = FR_IMAGE_AT(image, run->route->method_names.off);
	PyObject *allow = PyUnicode_FromString("");
	for (uint32_t i = 0; allow && i < run->route->method_names.count; i++)
		Py_SETREF(allow, PyUnicode_FromFormat("%U%s%s", allow, i ? ", " : "",
		                                      fr_str_in(image, names[i])));
	if (!allow)
		return FR_FLOW_RAISE;
	enum fr_flow flow = raise_http(run, 405, "Allow", allow);
	Py_DECREF(allow);
	return flow;
}

static enum fr_flow phase_start(struct fr_run *run)
{
	if (run->program->image->app_flags & FR_APP_WRAPPED && !run->in->routed)
		return enter_middleware(run);
	if (!run->looked_up && fr_run_lookup(run) < 0)
		return FR_FLOW_RAISE;
	if (run->found.kind == FR_MATCH_NONE)
		return not_found(run);
	if (run->route->max_body != FR_NONE32 && run->in->transport->limit &&
	    run->in->transport->limit(run->in, run->route->max_body) < 0)
		return FR_FLOW_RAISE;
	/* A scope that is somebody else's shows the route, as with Starlette. */
	if (run->in->foreign && !fr_run_scope(run))
		return FR_FLOW_RAISE;
	if (run->route->kind == FR_ROUTE_ASGI)
		return foreign(run, fr_run_route_object(run), run->program->state->names.handle);
	if (run->found.kind == FR_MATCH_METHOD)
		return method_not_allowed(run);
	run->program->state->plans++;
	run->stage = FR_STAGE_FUNCTION;
	run->phase = run->route->body == FR_BODY_NONE ? FR_PHASE_STEPS : FR_PHASE_BODY;
	return FR_FLOW_GO;
}

static enum fr_flow phase_foreign(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	run->phase = FR_PHASE_DONE;
	return FR_FLOW_GO;
}

/* ---- the steps ---- */

static enum fr_flow phase_steps(struct fr_run *run)
{
	for (;;) {
		const struct fr_step *step = &run->steps[run->pc];
		enum fr_flow flow = FR_FLOW_GO;
		int rc = 0;
		switch (step->op) {
		case FR_OP_MARK:
			run->marks[step->mark] = run->nerrors;
			break;
		case FR_OP_PARAM:
			rc = fr_step_param(run, step);
			break;
		case FR_OP_PYPARAM:
			rc = fr_step_pyparam(run, step);
			break;
		case FR_OP_BODY:
			rc = fr_step_body(run, step);
			break;
		case FR_OP_SPECIAL:
			rc = fr_step_special(run, step);
			break;
		case FR_OP_CACHED:
			if (run->caches[step->cache]) {
				if (step->slot != FR_NONE16)
					fr_set(&run->slots[step->slot],
					       Py_NewRef(run->caches[step->cache]));
				run->pc = (uint16_t)step->jump;
				continue;
			}
			break;
		case FR_OP_PYBODY:
			flow = fr_step_pybody(run, step);
			break;
		case FR_OP_CALL:
			flow = fr_step_call(run, step);
			break;
		case FR_OP_ENDPOINT:
			flow = fr_step_endpoint(run, step);
			break;
		default:
			return fr_step_respond(run, step);
		}
		if (rc < 0)
			return FR_FLOW_RAISE;
		if (flow != FR_FLOW_GO)
			return flow;
		run->pc++;
	}
}

/* ---- the end ---- */

static enum fr_flow phase_sent(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	run->answered = true;
	run->phase = FR_PHASE_EXITS;
	return FR_FLOW_GO;
}

static enum fr_flow phase_done(struct fr_run *run)
{
	return fr_run_raised(run) ? FR_FLOW_RAISE : FR_FLOW_DONE;
}

fr_phase_fn *const fr_phases[FR_NPHASES] = {
	[FR_PHASE_START] = phase_start,
	[FR_PHASE_FOREIGN] = phase_foreign,
	[FR_PHASE_BODY] = fr_phase_body,
	[FR_PHASE_FORM] = fr_phase_form,
	[FR_PHASE_STEPS] = phase_steps,
	[FR_PHASE_PYBODY] = fr_phase_pybody,
	[FR_PHASE_CALLED] = fr_phase_called,
	[FR_PHASE_ENTERED] = fr_phase_entered,
	[FR_PHASE_MADE] = fr_phase_made,
	[FR_PHASE_EXITS] = fr_phase_exits,
	[FR_PHASE_EXITED] = fr_phase_exited,
	[FR_PHASE_SEND] = fr_phase_send,
	[FR_PHASE_SENT] = phase_sent,
	[FR_PHASE_HANDLE] = fr_phase_handle,
	[FR_PHASE_HANDLED] = fr_phase_handled,
	[FR_PHASE_HANDLER_SENT] = fr_phase_handler_sent,
	[FR_PHASE_CLOSE_FORM] = fr_phase_close_form,
	[FR_PHASE_FORM_CLOSED] = fr_phase_form_closed,
	[FR_PHASE_TOP] = fr_phase_top,
	[FR_PHASE_TOP_MADE] = fr_phase_top_made,
	[FR_PHASE_TOP_SENT] = fr_phase_top_sent,
	[FR_PHASE_DONE] = phase_done,
};
