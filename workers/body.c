/*
 * The request's body: bytes, JSON, forms; and the fields taken from it.
 */
#include "workers/exec.h"

#include <string.h>

/* ---- reading ---- */

/* The white space of str.strip() that fits in Latin-1. */
static bool blank(unsigned char c)
{
	return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0;
}

static bool same_text(struct fr_span s, const char *lower)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
		if (c != lower[i] || !lower[i])
			return false;
	}
	return lower[s.len] == 0;
}

/* Whether a content type is application/json or application/...+json, as email.message reads it. */
static bool is_json(struct fr_span s)
{
	const char *end = memchr(s.p, ';', s.len);
	if (end)
		s.len = (size_t)(end - s.p);
	while (s.len && blank((unsigned char)*s.p))
		s.p++, s.len--;
	while (s.len && blank((unsigned char)s.p[s.len - 1]))
		s.len--;
	const char *slash = memchr(s.p, '/', s.len);
	if (!slash || memchr(slash + 1, '/', (size_t)(s.p + s.len - slash - 1)))
		return false;
	struct fr_span main_type = { s.p, (size_t)(slash - s.p) };
	struct fr_span sub = { slash + 1, (size_t)(s.p + s.len - slash - 1) };
	if (!same_text(main_type, "application"))
		return false;
	struct fr_span tail = { sub.p + (sub.len > 5 ? sub.len - 5 : 0),
		                sub.len > 5 ? 5 : sub.len };
	return same_text(sub, "json") || same_text(tail, "+json");
}

static bool wants_json(struct fr_run *run)
{
	const struct fr_header *h = fr_run_header(run, "content-type", 12);
	if (!h || !h->value.len)
		return !(run->route->flags & FR_ROUTE_STRICT_CONTENT_TYPE);
	return is_json(h->value);
}

/* The exception that is set, as reading the body reports it. */
static enum fr_flow body_error(struct fr_run *run)
{
	if (!PyErr_ExceptionMatches(PyExc_Exception))
		return FR_FLOW_RAISE;
	struct fr_state *state = run->program->state;
	PyObject *exc = fr_exc_take(), *made = NULL;
	PyObject *http = FR_GET(state, http_exception), *json = FR_GET(state, json_error_type);
	if (!http || !json)
		goto out;
	if (PyErr_GivenExceptionMatches(exc, http)) {
		fr_exc_set(exc);
		return FR_FLOW_RAISE;
	}
	if (PyErr_GivenExceptionMatches(exc, json)) {
		PyObject *fn = FR_GET(state, json_decode_error);
		PyObject *errors = fn ? PyObject_CallOneArg(fn, exc) : NULL;
		PyObject *doc = errors ? PyObject_GetAttr(exc, state->names.doc) : NULL;
		made = doc ? fr_request_error(run, errors, doc) : NULL;
		Py_XDECREF(errors);
		Py_XDECREF(doc);
	} else {
		PyObject *fn = FR_GET(state, body_parse_error);
		made = fn ? PyObject_CallOneArg(fn, exc) : NULL;
	}
	if (made && PyExceptionInstance_Check(made)) {
		PyException_SetCause(made, Py_NewRef(exc));
		fr_exc_set(made);
		made = NULL;
	}
out:
	Py_XDECREF(made);
	Py_DECREF(exc);
	return FR_FLOW_RAISE;
}

/* The step that may read the bytes itself, if there is one. */
static struct fr_bound *direct_step(struct fr_run *run)
{
	for (uint32_t i = 0; i < run->route->steps.count; i++) {
		const struct fr_step *step = &run->steps[i];
		if (step->op == FR_OP_BODY && step->flags & FR_STEP_DIRECT_JSON &&
		    !(step->flags & FR_STEP_EMBED))
			return fr_program_bound(run->program, step);
	}
	return NULL;
}

/* json.loads(body), whatever json.loads is at the moment. */
PyObject *fr_run_loads(struct fr_run *run)
{
	PyObject *json = FR_GET(run->program->state, json_module);
	return json ? PyObject_CallMethodOneArg(json, run->program->state->names.loads, run->body)
	            : NULL;
}

/*
 * Parses run->body.  A direct validator goes first: when it is content, the
 * text was valid, and its result waits for the step.  Whatever it objects to
 * is done again the long way, so that errors are those of json.loads and
 * validate_python.
 */
static enum fr_flow parse(struct fr_run *run)
{
	struct fr_bound *direct = direct_step(run);
	run->phase = FR_PHASE_STEPS;
	if (direct && direct->validate_json) {
		run->direct = PyObject_CallOneArg(direct->validate_json, run->body);
		if (run->direct)
			return FR_FLOW_GO;
		if (!PyErr_ExceptionMatches(PyExc_Exception))
			return FR_FLOW_RAISE;
		PyErr_Clear();
	}
	run->json = fr_run_loads(run);
	return run->json ? FR_FLOW_GO : body_error(run);
}

static void raise_too_large(struct fr_run *run)
{
	PyObject *type = FR_GET(run->program->state, http_exception);
	PyObject *exc = type ? PyObject_CallFunction(type, "is", 413, "Content Too Large") : NULL;
	if (exc)
		fr_exc_set(exc);
}

/* More is announced than the route takes: true, and the exception. */
static bool too_large(struct fr_run *run)
{
	if (run->route->max_body == FR_NONE32)
		return false;
	const struct fr_header *h = fr_run_header(run, "content-length", 14);
	uint64_t n = 0;
	for (size_t i = 0; h && i < h->value.len && i < 18; i++) {
		if (h->value.p[i] < '0' || h->value.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(h->value.p[i] - '0');
	}
	if (n <= run->route->max_body)
		return false;
	raise_too_large(run);
	return true;
}

enum fr_flow fr_phase_body(struct fr_run *run)
{
	if (fr_run_raised(run))
		return body_error(run);
	if (run->route->body == FR_BODY_FORM) {
		PyObject *request = fr_run_request(run);
		PyObject *fn = request ? FR_GET(run->program->state, parse_form) : NULL;
		PyObject *route = fr_run_route_object(run);
		if (!fn)
			return FR_FLOW_RAISE;
		return fr_run_await(
			run,
			PyObject_CallFunctionObjArgs(fn, request, route ? route : Py_None, NULL),
			FR_PHASE_FORM);
	}
	const struct fr_transport *transport = run->in->transport;
	struct fr_span span;
	PyObject *awaitable = NULL;
	if (run->value && transport->received && transport->received(run->in, run->value) < 0)
		return body_error(run);
	Py_CLEAR(run->value);
	int rc = too_large(run) ? -1 : transport->body(run->in, &span, &awaitable);
	if (rc < 0)
		return body_error(run);
	if (rc == 0)
		return fr_run_await(run, awaitable, FR_PHASE_BODY);
	run->phase = FR_PHASE_STEPS;
	run->body = PyBytes_FromStringAndSize(span.p, (Py_ssize_t)span.len);
	if (!run->body)
		return FR_FLOW_RAISE;
	if (run->route->max_body != FR_NONE32 && span.len > run->route->max_body) {
		raise_too_large(run);
		return FR_FLOW_RAISE;
	}
	if (!span.len || !wants_json(run))
		return FR_FLOW_GO;
	return parse(run);
}

enum fr_flow fr_phase_form(struct fr_run *run)
{
	if (fr_run_raised(run))
		return body_error(run);
	fr_set(&run->body, Py_NewRef(run->value));
	fr_set(&run->form, Py_NewRef(run->value));
	run->phase = FR_PHASE_STEPS;
	return FR_FLOW_GO;
}

/* ---- fields ---- */

/* What FastAPI calls the body: borrowed; NULL: undefined (no exception), or an exception. */
static PyObject *received(struct fr_run *run)
{
	if (run->json)
		return run->json;
	if (run->direct) {
		/* Somebody wants the parsed text after all. */
		run->json = fr_run_loads(run);
		return run->json;
	}
	if (!run->body || (PyBytes_CheckExact(run->body) && PyBytes_GET_SIZE(run->body) == 0))
		return NULL;
	return run->body;
}

/* 1: *ret is the field's value (new); 0: absent; -1: an exception; 2: an error was added. */
static int field(struct fr_run *run, struct fr_bound *b, PyObject **ret)
{
	PyObject *body = received(run);
	if (!body)
		return PyErr_Occurred() ? -1 : 0;
	if (PyBytes_CheckExact(body))
		return 0;
	if (PyDict_Check(body)) {
		PyObject *value = PyDict_GetItemWithError(body, b->alias);
		*ret = Py_XNewRef(value);
		return value ? 1 : PyErr_Occurred() ? -1 : 0;
	}
	/* A list, a scalar, null: they have no fields, and no default helps. */
	return fr_errors_missing(run, b->loc) < 0 ? -1 : 2;
}

int fr_step_body(struct fr_run *run, const struct fr_step *step)
{
	struct fr_bound *b = fr_program_bound(run->program, step);
	PyObject *value = NULL;
	if (step->flags & FR_STEP_EMBED) {
		int rc = field(run, b, &value);
		if (rc < 0)
			return -1;
		if (rc == 2)
			return 0;
	} else if (run->direct && b->validate_json) {
		if (step->slot != FR_NONE16)
			fr_set(&run->slots[step->slot], Py_NewRef(run->direct));
		return 0;
	} else {
		value = Py_XNewRef(received(run));
		if (!value && PyErr_Occurred())
			return -1;
	}
	if (!value)
		return fr_step_default(run, step, b);
	return fr_step_validate(run, step, b, value);
}

enum fr_flow fr_step_pybody(struct fr_run *run, const struct fr_step *step)
{
	PyObject *body = received(run), *fn = fr_program_object(run->program, step->object);
	if (!body && PyErr_Occurred())
		return FR_FLOW_RAISE;
	if (!body) {
		body = FR_GET(run->program->state, undefined);
		if (!body)
			return FR_FLOW_RAISE;
	}
	return fr_run_await(run, PyObject_CallOneArg(fn, body), FR_PHASE_PYBODY);
}

enum fr_flow fr_phase_pybody(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	const struct fr_step *step = &run->steps[run->pc];
	struct fr_bound *b = fr_program_bound(run->program, step);
	PyObject *made = run->value;
	if (!PyTuple_Check(made) || PyTuple_GET_SIZE(made) != 2 ||
	    !PyDict_Check(PyTuple_GET_ITEM(made, 0))) {
		PyErr_SetString(PyExc_TypeError, "a body's function must give a dict and errors");
		return FR_FLOW_RAISE;
	}
	PyObject *values = PyTuple_GET_ITEM(made, 0), *errors = PyTuple_GET_ITEM(made, 1);
	int any = errors == Py_None ? 0 : PyObject_IsTrue(errors);
	if (any < 0 || (any && fr_errors_extend(run, errors) < 0))
		return FR_FLOW_RAISE;
	for (uint32_t i = 0; i < b->nargs; i++) {
		PyObject *value = PyDict_GetItemWithError(values, PyTuple_GET_ITEM(b->kwnames, i));
		if (!value && PyErr_Occurred())
			return FR_FLOW_RAISE;
		if (value && b->slots[i] != FR_NONE16)
			fr_set(&run->slots[b->slots[i]], Py_NewRef(value));
	}
	run->phase = FR_PHASE_STEPS;
	run->pc++;
	return FR_FLOW_GO;
}
