/*
 * Exceptions as text, and the exceptions that the executor makes itself.
 */
#include "workers/errors.h"

#include "workers/exec.h"

#include <string.h>

#include "base/log.h"

static fr_error_fn *observer;

void fr_error_observe(fr_error_fn *fn)
{
	observer = fn;
}

void fr_error_tell(const struct fr_program *program, uint32_t route, const struct fr_input *in,
                   PyObject *exc, const char *text, size_t len)
{
	if (observer)
		observer(program, route, in, exc, text, len);
}

/* errors, body, route, method and root path as _runtime.errors wants them. */
static PyObject *make(struct fr_run *run, PyObject *fn, PyObject *what, PyObject *body)
{
	struct fr_names *names = &run->program->state->names;
	PyObject *route = fr_run_route_object(run);
	PyObject *scope = fn ? fr_run_scope(run) : NULL;
	if (!scope)
		return NULL;
	PyObject *method = PyDict_GetItemWithError(scope, names->method);
	PyObject *root = method ? PyDict_GetItemWithError(scope, names->root_path) : NULL;
	if (PyErr_Occurred())
		return NULL;
	PyObject *empty = PyUnicode_FromString("");
	PyObject *exc = empty ? PyObject_CallFunctionObjArgs(
					fn, what, body, route ? route : Py_None,
					method ? method : empty, root ? root : empty, NULL)
	                      : NULL;
	Py_XDECREF(empty);
	if (exc && !PyExceptionInstance_Check(exc)) {
		PyErr_SetString(PyExc_TypeError, "an exception was expected");
		Py_CLEAR(exc);
	}
	return exc;
}

PyObject *fr_request_error(struct fr_run *run, PyObject *errors, PyObject *body)
{
	return make(run, FR_GET(run->program->state, request_error), errors, body);
}

PyObject *fr_response_error(struct fr_run *run, PyObject *exc, PyObject *content)
{
	return make(run, FR_GET(run->program->state, response_error), exc, content);
}

PyObject *fr_error_text(struct fr_state *state, PyObject *exc)
{
	PyObject *fn = FR_GET(state, format_exception);
	PyObject *lines = fn ? PyObject_CallOneArg(fn, exc) : NULL;
	PyObject *empty = lines ? PyUnicode_FromString("") : NULL;
	PyObject *joined = empty ? PyUnicode_Join(empty, lines) : NULL;
	/* What clients send may hold lone surrogates, which are no UTF-8. */
	PyObject *text =
		joined ? PyUnicode_AsEncodedString(joined, "utf-8", "backslashreplace") : NULL;
	Py_XDECREF(lines);
	Py_XDECREF(empty);
	Py_XDECREF(joined);
	if (!text) {
		/* An exception whose text can't be had: its class must do. */
		PyErr_Clear();
		text = PyBytes_FromString(Py_TYPE(exc)->tp_name);
	}
	return text;
}

/* A client that leaves is nobody's mistake: a line, and no error to count. */
static bool is_disconnect(struct fr_run *run, PyObject *exc)
{
	PyObject *type = FR_GET(run->program->state, client_disconnect);
	if (!type)
		PyErr_Clear();
	return type && PyErr_GivenExceptionMatches(exc, type);
}

/*
 * The route that a request went to, FR_NONE32 if it is not known.  Outside the
 * middleware that is what the run within it has written into the scope.
 */
static uint32_t route_number(struct fr_run *run)
{
	if (run->route)
		return run->found.route;
	struct fr_names *names = &run->program->state->names;
	PyObject *route = run->scope ? PyDict_GetItemWithError(run->scope, names->route) : NULL;
	PyObject *fastapi = route ? PyDict_GetItemWithError(run->scope, names->fastapi) : NULL;
	PyObject *context =
		fastapi && PyDict_Check(fastapi)
			? PyDict_GetItemWithError(fastapi, names->effective_route_context)
			: NULL;
	PyErr_Clear();
	const struct fr_image *image = run->program->image;
	const struct fr_route *routes = FR_IMAGE_AT(image, image->routes.off);
	for (uint32_t i = 0; route && i < image->routes.count; i++) {
		PyObject *object = fr_program_object(run->program, routes[i].object);
		/* A router that is included twice has its routes twice: the context is one's own. */
		if (run->program->routes[i] == route &&
		    (object == route || object == context || !context))
			return i;
	}
	return FR_NONE32;
}

void fr_error_log(struct fr_run *run, PyObject *exc, const char *what)
{
	if (is_disconnect(run, exc)) {
		fr_log(FR_INFO, "%.*s %.*s: the client left before its request was read",
		       (int)run->in->method_name.len, run->in->method_name.p,
		       (int)run->in->full_path.len, run->in->full_path.p);
		return;
	}
	const struct fr_image *image = run->program->image;
	const struct fr_input *in = run->in;
	PyObject *text = fr_error_text(run->program->state, exc);
	const char *p = text ? PyBytes_AS_STRING(text) : Py_TYPE(exc)->tp_name;
	size_t len = text ? (size_t)PyBytes_GET_SIZE(text) : strlen(p);
	if (!text)
		PyErr_Clear();
	uint32_t number = route_number(run);
	if (number == FR_NONE32) {
		fr_log_text(FR_ERROR, p, len, "%s: %.*s %.*s", what, (int)in->method_name.len,
		            in->method_name.p, (int)in->full_path.len, in->full_path.p);
	} else {
		const struct fr_route *route =
			(const struct fr_route *)FR_IMAGE_AT(image, image->routes.off) + number;
		fr_log_text(FR_ERROR, p, len, "%s: %.*s %.*s, %.*s (%.*s:%u)", what,
		            (int)in->method_name.len, in->method_name.p, (int)in->full_path.len,
		            in->full_path.p, (int)route->endpoint.len,
		            fr_str_in(image, route->endpoint), (int)route->file.len,
		            fr_str_in(image, route->file), route->line);
	}
	fr_error_tell(run->program, number, in, exc, p, len);
	Py_XDECREF(text);
}
