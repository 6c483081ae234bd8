/*
 * The answer: made of what the endpoint returned, and sent.
 */
#include "workers/exec.h"

#include <stdio.h>
#include <string.h>

/* Statuses whose answer has no body. */
static bool bodiless(unsigned status)
{
	return status < 200 || status == 204 || status == 205 || status == 304;
}

/* The status that a dependency or the endpoint set on the injected Response; 0: none; -1: an exception. */
#define MAX_STATUS 65535 /* what a transport is asked for; it has rules of its own */

static long injected_status(struct fr_run *run)
{
	if (!run->response)
		return 0;
	PyObject *value = PyObject_GetAttr(run->response, run->program->state->names.status_code);
	if (!value)
		return -1;
	long status = value == Py_None ? 0 : PyLong_AsLong(value);
	Py_DECREF(value);
	if ((status < 0 || status > MAX_STATUS) && !PyErr_Occurred())
		PyErr_Format(PyExc_RuntimeError, "Invalid HTTP status: %ld", status);
	return PyErr_Occurred() ? -1 : status;
}

/* ---- making ---- */

static enum fr_flow answer(struct fr_run *run, PyObject *made)
{
	if (!made)
		return FR_FLOW_RAISE;
	fr_set(&run->answer, made);
	run->phase = FR_PHASE_EXITS;
	return FR_FLOW_GO;
}

/* What the injected Response got: appended to the fields of response. */
static int extend_headers(struct fr_run *run, PyObject *response)
{
	struct fr_names *names = &run->program->state->names;
	if (!run->response)
		return 0;
	PyObject *from = PyObject_GetAttr(run->response, names->raw_headers);
	PyObject *to = from ? PyObject_GetAttr(response, names->raw_headers) : NULL;
	int rc = -1;
	if (to && PyList_Check(to)) {
		Py_ssize_t end = PyList_GET_SIZE(to);
		rc = PyList_SetSlice(to, end, end, from);
	} else if (to) {
		PyErr_SetString(PyExc_TypeError, "a response's raw_headers must be a list");
	}
	Py_XDECREF(from);
	Py_XDECREF(to);
	return rc;
}

/* type(content, status_code=..., background=...), as FastAPI calls a response class. */
static PyObject *make_response(struct fr_run *run, PyObject *type, PyObject *content)
{
	struct fr_names *names = &run->program->state->names;
	long status = injected_status(run);
	if (status < 0)
		return NULL;
	if (!status)
		status = run->route->status;
	PyObject *kwargs = PyDict_New(), *args = PyTuple_Pack(1, content), *response = NULL;
	PyObject *background = run->background ? run->background : Py_None;
	if (!kwargs || !args || PyDict_SetItem(kwargs, names->background, background) < 0)
		goto out;
	if (status) {
		PyObject *value = PyLong_FromLong(status);
		int rc = value ? PyDict_SetItem(kwargs, names->status_code, value) : -1;
		Py_XDECREF(value);
		if (rc < 0)
			goto out;
	}
	response = PyObject_Call(type, args, kwargs);
	if (!response)
		goto out;
	PyObject *code = PyObject_GetAttr(response, names->status_code);
	long final = code ? PyLong_AsLong(code) : -1;
	Py_XDECREF(code);
	if ((final < 0 && PyErr_Occurred()) ||
	    (bodiless((unsigned) final) &&
	     PyObject_SetAttr(response, names->body, run->program->state->empty) < 0) ||
	    extend_headers(run, response) < 0)
		Py_CLEAR(response);
out:
	Py_XDECREF(kwargs);
	Py_XDECREF(args);
	return response;
}

/* The content through the response model: validated, then serialized. */
static PyObject *by_field(struct fr_run *run, const struct fr_step *step, PyObject *content)
{
	struct fr_state *state = run->program->state;
	struct fr_bound *b = fr_program_bound(run->program, step);
	PyObject *args[3] = { NULL, content, Py_True };
	PyObject *value =
		PyObject_Vectorcall(b->validate, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
	                            state->kw_from_attributes);
	if (!value) {
		PyObject *exc = fr_exc_take();
		PyObject *type = FR_GET(state, validation_error);
		if (type && PyErr_GivenExceptionMatches(exc, type))
			Py_SETREF(exc, fr_response_error(run, exc, content));
		if (exc && type)
			fr_exc_set(exc);
		else
			Py_XDECREF(exc);
		return NULL;
	}
	PyObject *stack[12], **all = stack, *result = NULL;
	if (b->nargs + 2 > 12)
		all = PyMem_Malloc((b->nargs + 2) * sizeof(*all));
	if (!all) {
		PyErr_NoMemory();
	} else {
		all[1] = value;
		for (uint32_t i = 0; i < b->nargs; i++)
			all[i + 2] = PyTuple_GET_ITEM(b->values, i);
		result = PyObject_Vectorcall(b->serialize, all + 1,
		                             1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
		                             b->nargs ? b->kwnames : NULL);
	}
	if (all != stack)
		PyMem_Free(all);
	Py_DECREF(value);
	return result;
}

/* The content of a response class: by the model, or by the encoder. */
static enum fr_flow by_class(struct fr_run *run, const struct fr_step *step, PyObject *type,
                             PyObject *content)
{
	struct fr_state *state = run->program->state;
	PyObject *plain, *fn;
	if (!type)
		return FR_FLOW_RAISE;
	if (step->flags & FR_STEP_VALIDATE_RESPONSE) {
		plain = by_field(run, step, content);
	} else {
		fn = FR_GET(state, jsonable_encoder);
		plain = fn ? PyObject_CallOneArg(fn, content) : NULL;
	}
	if (!plain)
		return FR_FLOW_RAISE;
	PyObject *response = make_response(run, type, plain);
	Py_DECREF(plain);
	return answer(run, response);
}

static enum fr_flow by_bytes(struct fr_run *run, PyObject *bytes)
{
	long status = bytes ? injected_status(run) : -1;
	if (status < 0) {
		Py_XDECREF(bytes);
		return FR_FLOW_RAISE;
	}
	run->status = status ? (unsigned)status : run->route->status ? run->route->status : 200;
	return answer(run, bytes);
}

/* A generator: the responder makes a stream of it. */
static enum fr_flow by_python(struct fr_run *run, const struct fr_step *step)
{
	struct fr_state *state = run->program->state;
	struct fr_names *names = &state->names;
	PyObject *type = FR_GET(state, exit_stack);
	PyObject *stack = type ? PyObject_CallNoArgs(type) : NULL;
	PyObject *injected = stack ? fr_run_response(run) : NULL;
	PyObject *awaitable = NULL;
	if (injected && fr_exit_push(run, FR_EXIT_STACK, stack, false, 0) == 0) {
		PyObject *kwnames = PyTuple_Pack(4, names->status, names->background,
		                                 names->injected, names->stack);
		PyObject *args[5] = { run->content, Py_None,
			              run->background ? run->background : Py_None, injected,
			              stack };
		if (kwnames)
			awaitable = PyObject_Vectorcall(
				fr_program_object(run->program, step->object2), args, 1, kwnames);
		Py_XDECREF(kwnames);
	}
	Py_XDECREF(stack);
	return fr_run_await(run, awaitable, FR_PHASE_MADE);
}

enum fr_flow fr_phase_made(struct fr_run *run)
{
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	return answer(run, Py_NewRef(run->value));
}

/* 1: the endpoint returned a Response; its background tasks are the request's if it has none. */
static int own_response(struct fr_run *run, PyObject *content)
{
	struct fr_names *names = &run->program->state->names;
	PyObject *type = FR_GET(run->program->state, response_type);
	if (!type)
		return -1;
	int rc = PyObject_IsInstance(content, type);
	if (rc <= 0 || !run->background)
		return rc;
	PyObject *background = PyObject_GetAttr(content, names->background);
	if (!background)
		return -1;
	Py_DECREF(background);
	if (background == Py_None &&
	    PyObject_SetAttr(content, names->background, run->background) < 0)
		return -1;
	return 1;
}

enum fr_flow fr_step_respond(struct fr_run *run, const struct fr_step *step)
{
	struct fr_state *state = run->program->state;
	PyObject *content = run->content;
	if (step->mode == FR_SERIALIZE_PYTHON)
		return by_python(run, step);
	bool plain = PyDict_CheckExact(content) || PyList_CheckExact(content) ||
	             content == Py_None || PyUnicode_CheckExact(content);
	if (!plain) {
		int own = own_response(run, content);
		if (own < 0)
			return FR_FLOW_RAISE;
		if (own)
			return answer(run, Py_NewRef(content));
	}
	switch (step->mode) {
	case FR_SERIALIZE_FIELD_JSON:
		return by_bytes(run, by_field(run, step, content));
	case FR_SERIALIZE_CLASS:
		return by_class(run, step, fr_program_object(run->program, step->object2), content);
	default: {
		PyObject *bytes = fr_json_encode(content);
		if (bytes || PyErr_Occurred())
			return by_bytes(run, bytes);
		return by_class(run, step, FR_GET(state, json_response), content);
	}
	}
}

/* ---- sending ---- */

enum fr_flow fr_run_send(struct fr_run *run, enum fr_phase after)
{
	run->after = (uint8_t)after;
	run->phase = FR_PHASE_SEND;
	return FR_FLOW_GO;
}

#define STACK_FIELDS 24

struct fields {
	struct fr_header stack[STACK_FIELDS];
	struct fr_header *all;
	size_t n;
	char length[24];
};

static void fields_fini(struct fields *f)
{
	if (f->all != f->stack)
		PyMem_Free(f->all);
}

/* Appends a list of (bytes, bytes): 1; 0: it is not such a list; -1: an exception. */
static int fields_add(struct fields *f, PyObject *list)
{
	if (!PyList_CheckExact(list))
		return 0;
	size_t more = (size_t)PyList_GET_SIZE(list);
	if (f->n + more > STACK_FIELDS && f->all == f->stack) {
		f->all = PyMem_Malloc((f->n + more) * sizeof(*f->all));
		if (!f->all) {
			f->all = f->stack;
			PyErr_NoMemory();
			return -1;
		}
		memcpy(f->all, f->stack, f->n * sizeof(*f->all));
	}
	for (size_t i = 0; i < more; i++) {
		PyObject *pair = PyList_GET_ITEM(list, (Py_ssize_t)i);
		if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2)
			return 0;
		PyObject *name = PyTuple_GET_ITEM(pair, 0), *value = PyTuple_GET_ITEM(pair, 1);
		if (!PyBytes_CheckExact(name) || !PyBytes_CheckExact(value))
			return 0;
		f->all[f->n].name =
			(struct fr_span){ PyBytes_AS_STRING(name), (size_t)PyBytes_GET_SIZE(name) };
		f->all[f->n++].value = (struct fr_span){ PyBytes_AS_STRING(value),
			                                 (size_t)PyBytes_GET_SIZE(value) };
	}
	return 1;
}

/* The transport's reply: as its return values. */
static int reply(struct fr_run *run, unsigned status, struct fr_span type, struct fields *f,
                 PyObject *body, PyObject **ret)
{
	return run->in->transport->reply(run->in, status, type, f->all, f->n, body, ret);
}

static const struct fr_span json_type = { "application/json", 16 };

/* An answer that is bytes of JSON. */
static int send_json(struct fr_run *run, PyObject **ret)
{
	struct fields f = { .n = 0 };
	struct fr_span type = json_type;
	PyObject *headers = NULL, *body = run->answer;
	int rc = 1;
	f.all = f.stack;
	if (bodiless(run->status)) {
		/* As Starlette and FastAPI leave them: 205 announces what it doesn't send. */
		if (run->status == 205) {
			int n = snprintf(f.length, sizeof(f.length), "%zd", PyBytes_GET_SIZE(body));
			f.all[f.n++] = (struct fr_header){ { "content-length", 14 },
				                           { f.length, (size_t)n } };
		}
		f.all[f.n++] = (struct fr_header){ { "content-type", 12 }, json_type };
		type = (struct fr_span){ NULL, 0 };
		body = run->program->state->empty;
	}
	if (run->response) {
		headers = PyObject_GetAttr(run->response, run->program->state->names.raw_headers);
		rc = headers ? fields_add(&f, headers) : -1;
		if (rc == 0)
			PyErr_SetString(PyExc_TypeError,
			                "raw_headers must be a list of pairs of bytes");
	}
	rc = rc > 0 ? reply(run, run->status, type, &f, body, ret) : -1;
	fields_fini(&f);
	Py_XDECREF(headers);
	return rc;
}

/* A Response whose __call__ is Starlette's own: what it would send.  2: it is none. */
static int send_response(struct fr_run *run, PyObject **ret)
{
	struct fr_names *names = &run->program->state->names;
	PyObject *own = FR_GET(run->program->state, response_call);
	PyObject *call =
		own ? PyObject_GetAttr((PyObject *)Py_TYPE(run->answer), names->__call__) : NULL;
	if (!call)
		return -1;
	Py_DECREF(call);
	if (call != own)
		return 2;
	struct fields f = { .n = 0 };
	f.all = f.stack;
	int rc = 2;
	PyObject *body = PyObject_GetAttr(run->answer, names->body);
	PyObject *headers = body ? PyObject_GetAttr(run->answer, names->raw_headers) : NULL;
	PyObject *code = headers ? PyObject_GetAttr(run->answer, names->status_code) : NULL;
	if (!code) {
		PyErr_Clear(); /* its own __call__ will say what is wrong with it */
		goto out;
	}
	int usable = PyBytes_CheckExact(body) && PyLong_Check(code) ? fields_add(&f, headers) : 0;
	if (usable <= 0) {
		rc = usable < 0 ? -1 : 2;
		goto out;
	}
	long status = PyLong_AsLong(code);
	if (status < 0 || status > MAX_STATUS) {
		PyErr_Clear();
		goto out;
	}
	rc = reply(run, (unsigned)status, (struct fr_span){ NULL, 0 }, &f, body, ret);
out:
	fields_fini(&f);
	Py_XDECREF(body);
	Py_XDECREF(headers);
	Py_XDECREF(code);
	return rc;
}

/* Any other ASGI callable. */
static enum fr_flow call_response(struct fr_run *run)
{
	PyObject *scope = fr_run_scope(run), *awaitable = NULL;
	if (!scope)
		return FR_FLOW_RAISE;
	PyObject *receive = run->in->transport->receive(run->in);
	PyObject *send = receive ? run->in->transport->send(run->in) : NULL;
	if (send)
		awaitable = PyObject_CallFunctionObjArgs(run->answer, scope, receive, send, NULL);
	Py_XDECREF(receive);
	Py_XDECREF(send);
	return fr_run_await(run, awaitable, run->after);
}

enum fr_flow fr_phase_send(struct fr_run *run)
{
	PyObject *awaitable = NULL;
	if (fr_run_raised(run))
		return FR_FLOW_RAISE;
	bool json = PyBytes_CheckExact(run->answer);
	int rc = json ? send_json(run, &awaitable) : send_response(run, &awaitable);
	if (rc < 0)
		return FR_FLOW_RAISE;
	if (rc == 0)
		return fr_run_await(run, awaitable, FR_PHASE_SEND);
	if (rc == 2)
		return call_response(run);
	PyObject *background;
	if (json)
		background = Py_NewRef(run->background ? run->background : Py_None);
	else
		background = PyObject_GetAttr(run->answer, run->program->state->names.background);
	if (!background)
		return FR_FLOW_RAISE;
	if (background == Py_None) {
		Py_DECREF(background);
		run->phase = run->after;
		return FR_FLOW_GO;
	}
	awaitable = PyObject_CallNoArgs(background);
	Py_DECREF(background);
	return fr_run_await(run, awaitable, run->after);
}
