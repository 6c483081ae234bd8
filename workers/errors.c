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
	PyObject *text = empty ? PyUnicode_Join(empty, lines) : NULL;
	Py_XDECREF(lines);
	Py_XDECREF(empty);
	if (!text) {
		/* An exception whose text can't be had: its class must do. */
		PyErr_Clear();
		text = PyUnicode_FromString(Py_TYPE(exc)->tp_name);
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
	Py_ssize_t len = 0;
	const char *p = text ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
	if (!p) {
		PyErr_Clear();
		p = Py_TYPE(exc)->tp_name;
		len = (Py_ssize_t)strlen(p);
	}
	const struct fr_route *route = run->route;
	fr_log_text(FR_ERROR, p, (size_t)len, "%s: %.*s %.*s, %.*s (%.*s:%u)", what,
	            (int)in->method_name.len, in->method_name.p, (int)in->full_path.len,
	            in->full_path.p, route ? (int)route->endpoint.len : 8,
	            route ? fr_str_in(image, route->endpoint) : "no route",
	            route ? (int)route->file.len : 0, route ? fr_str_in(image, route->file) : "",
	            route ? route->line : 0);
	fr_error_tell(run->program, route ? run->found.route : FR_NONE32, in, exc, p, (size_t)len);
	Py_XDECREF(text);
}
