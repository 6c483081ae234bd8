/*
 * ASGI as a transport: spans over a scope, receive() for the body, send() for
 * the answer.
 */
#include "workers/asgi.h"

#include <stdio.h>
#include <string.h>

#include "workers/run.h"
#include "workers/program.h"

#define INLINE_HEADERS 24

struct asgi {
	struct fr_input in; /* first: an input is cast to it */
	struct fr_state *state;
	PyObject *scope, *receive, *send;
	PyObject *sender; /* send, watched; NULL until somebody needs it */
	PyObject *method, *path, *query; /* what spans point into */
	PyObject *fields; /* tuple of tuples: likewise */
	PyObject *body; /* bytes, or list of bytes */
	bool body_complete, started;
	int stage; /* of the reply */
	struct fr_header *headers;
	struct fr_header headers_inline[INLINE_HEADERS];
};

/* ---- send, watched ---- */

struct sender {
	PyObject_HEAD PyObject *send;
	PyObject *message_type; /* "http.response.start" */
	PyObject *key; /* "type" */
	bool started;
};

static PyObject *sender_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *const names[] = { "message", NULL };
	struct sender *s = (struct sender *)self;
	PyObject *message;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:send", (char **)names, &message))
		return NULL;
	if (PyDict_Check(message)) {
		PyObject *type = PyDict_GetItemWithError(message, s->key);
		if (!type && PyErr_Occurred())
			return NULL;
		if (type && PyUnicode_Check(type) && PyUnicode_Compare(type, s->message_type) == 0)
			s->started = true;
	}
	return PyObject_CallOneArg(s->send, message);
}

static int sender_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(((struct sender *)self)->send);
	return 0;
}

static int sender_clear(PyObject *self)
{
	Py_CLEAR(((struct sender *)self)->send);
	return 0;
}

static void sender_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	PyObject_GC_UnTrack(self);
	sender_clear(self);
	Py_XDECREF(((struct sender *)self)->message_type);
	Py_XDECREF(((struct sender *)self)->key);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot sender_slots[] = {
	{ Py_tp_dealloc, sender_dealloc },     { Py_tp_traverse, sender_traverse },
	{ Py_tp_clear, sender_clear },         { Py_tp_call, sender_call },
	{ Py_tp_doc, (void *)"ASGI's send." }, { 0, NULL },
};

static PyType_Spec sender_spec = {
	.name = "fastrapi._fastrapid.Send",
	.basicsize = sizeof(struct sender),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = sender_slots,
};

/* ---- the transport ---- */

static int asgi_received(struct fr_input *in, PyObject *message)
{
	struct asgi *a = (struct asgi *)in;
	struct fr_names *names = &a->state->names;
	if (!PyDict_Check(message)) {
		PyErr_SetString(PyExc_TypeError, "receive() must give a dict");
		return -1;
	}
	PyObject *type = PyDict_GetItemWithError(message, names->type);
	if (!type || !PyUnicode_Check(type)) {
		if (!PyErr_Occurred())
			PyErr_SetString(PyExc_KeyError, "type");
		return -1;
	}
	if (PyUnicode_CompareWithASCIIString(type, "http.disconnect") == 0) {
		PyObject *exc = FR_GET(a->state, client_disconnect);
		if (exc)
			PyErr_SetNone(exc);
		return -1;
	}
	if (PyUnicode_CompareWithASCIIString(type, "http.request") != 0)
		return 0;
	PyObject *body = PyDict_GetItemWithError(message, names->body);
	PyObject *more = body || !PyErr_Occurred()
	                         ? PyDict_GetItemWithError(message, names->more_body)
	                         : NULL;
	int go_on = more ? PyObject_IsTrue(more) : 0;
	if (PyErr_Occurred() || go_on < 0)
		return -1;
	a->body_complete = !go_on;
	if (!body)
		return 0;
	if (!a->body && !go_on && PyBytes_CheckExact(body)) {
		a->body = Py_NewRef(body);
		return 0;
	}
	if (!a->body)
		a->body = PyList_New(0);
	PyObject *piece = a->body ? PyBytes_FromObject(body) : NULL;
	int rc = piece ? PyList_Append(a->body, piece) : -1;
	Py_XDECREF(piece);
	return rc;
}

static int asgi_body(struct fr_input *in, struct fr_span *ret, PyObject **ret_await)
{
	struct asgi *a = (struct asgi *)in;
	if (!a->body_complete) {
		*ret_await = PyObject_CallNoArgs(a->receive);
		return *ret_await ? 0 : -1;
	}
	if (a->body && PyList_Check(a->body)) {
		PyObject *joined = PyObject_CallMethod(a->state->empty, "join", "O", a->body);
		if (!joined)
			return -1;
		fr_set(&a->body, joined);
	}
	*ret = a->body ? (struct fr_span){ PyBytes_AS_STRING(a->body),
		                           (size_t)PyBytes_GET_SIZE(a->body) }
	               : (struct fr_span){ "", 0 };
	return 1;
}

/* Appends (name, value); both may be NULL with an exception, and are taken. */
static int add_pair(PyObject *list, Py_ssize_t at, PyObject *name, PyObject *value)
{
	PyObject *pair = name && value ? PyTuple_New(2) : NULL;
	if (!pair) {
		Py_XDECREF(name);
		Py_XDECREF(value);
		return -1;
	}
	PyTuple_SET_ITEM(pair, 0, name);
	PyTuple_SET_ITEM(pair, 1, value);
	PyList_SET_ITEM(list, at, pair);
	return 0;
}

static PyObject *span_bytes(struct fr_span s)
{
	return PyBytes_FromStringAndSize(s.p, (Py_ssize_t)s.len);
}

static PyObject *start_message(struct asgi *a, unsigned status, struct fr_span type,
                               const struct fr_header *fields, size_t nfields, PyObject *body)
{
	struct fr_state *state = a->state;
	Py_ssize_t n = 0, own = type.p ? 2 : 0;
	PyObject *headers = PyList_New((Py_ssize_t)nfields + own), *message = NULL, *code = NULL;
	if (!headers)
		return NULL;
	if (type.p) {
		char text[24];
		int len = snprintf(text, sizeof(text), "%zd", PyBytes_GET_SIZE(body));
		if (add_pair(headers, n++, Py_NewRef(state->b_content_length),
		             PyBytes_FromStringAndSize(text, len)) < 0 ||
		    add_pair(headers, n++, Py_NewRef(state->b_content_type),
		             type.len == 16 && memcmp(type.p, "application/json", 16) == 0
		                     ? Py_NewRef(state->json_type)
		                     : span_bytes(type)) < 0)
			goto out;
	}
	for (size_t i = 0; i < nfields; i++)
		if (add_pair(headers, n++, span_bytes(fields[i].name),
		             span_bytes(fields[i].value)) < 0)
			goto out;
	code = PyLong_FromUnsignedLong(status);
	message = code ? PyDict_New() : NULL;
	if (message && (PyDict_SetItem(message, state->names.type, state->msg_start) < 0 ||
	                PyDict_SetItem(message, state->names.status, code) < 0 ||
	                PyDict_SetItem(message, state->names.headers, headers) < 0))
		Py_CLEAR(message);
out:
	Py_XDECREF(code);
	Py_DECREF(headers);
	return message;
}

static int asgi_reply(struct fr_input *in, unsigned status, struct fr_span type,
                      const struct fr_header *fields, size_t nfields, PyObject *body,
                      PyObject **ret_await)
{
	struct asgi *a = (struct asgi *)in;
	struct fr_names *names = &a->state->names;
	PyObject *message;
	switch (a->stage++) {
	case 0:
		message = start_message(a, status, type, fields, nfields, body);
		a->started = true;
		break;
	case 1:
		message = PyDict_New();
		if (message && (PyDict_SetItem(message, names->type, a->state->msg_body) < 0 ||
		                PyDict_SetItem(message, names->body, body) < 0))
			Py_CLEAR(message);
		break;
	default:
		return 1;
	}
	*ret_await = message ? PyObject_CallOneArg(a->send, message) : NULL;
	Py_XDECREF(message);
	return *ret_await ? 0 : -1;
}

static PyObject *asgi_scope(struct fr_input *in)
{
	return Py_NewRef(((struct asgi *)in)->scope);
}

static PyObject *asgi_receive(struct fr_input *in)
{
	return Py_NewRef(((struct asgi *)in)->receive);
}

static PyObject *asgi_send(struct fr_input *in)
{
	struct asgi *a = (struct asgi *)in;
	if (!a->sender) {
		PyTypeObject *type = a->state->sender_type;
		struct sender *s = (struct sender *)type->tp_alloc(type, 0);
		if (!s)
			return NULL;
		s->send = Py_NewRef(a->send);
		s->message_type = Py_NewRef(a->state->msg_start);
		s->key = Py_NewRef(a->state->names.type);
		a->sender = (PyObject *)s;
	}
	return Py_NewRef(a->sender);
}

static int asgi_limit(struct fr_input *in, uint32_t max)
{
	struct asgi *a = (struct asgi *)in;
	PyObject *fn = FR_GET(a->state, limit_body);
	PyObject *both =
		fn ? PyObject_CallFunction(fn, "OOOI", a->scope, a->receive, a->send, (unsigned)max)
		   : NULL;
	PyObject *receive, *send;
	int rc = both && PyArg_ParseTuple(both, "OO", &receive, &send) ? 0 : -1;
	if (rc == 0) {
		fr_set(&a->receive, Py_NewRef(receive));
		fr_set(&a->send, Py_NewRef(send));
	}
	Py_XDECREF(both);
	return rc;
}

static bool asgi_started(struct fr_input *in)
{
	struct asgi *a = (struct asgi *)in;
	return a->started || (a->sender && ((struct sender *)a->sender)->started);
}

static int asgi_traverse(struct fr_input *in, visitproc visit, void *arg)
{
	struct asgi *a = (struct asgi *)in;
	Py_VISIT(a->scope);
	Py_VISIT(a->receive);
	Py_VISIT(a->send);
	Py_VISIT(a->sender);
	Py_VISIT(a->fields);
	return 0;
}

static void asgi_done(struct fr_input *in)
{
	struct asgi *a = (struct asgi *)in;
	Py_XDECREF(a->scope);
	Py_XDECREF(a->receive);
	Py_XDECREF(a->send);
	Py_XDECREF(a->sender);
	Py_XDECREF(a->method);
	Py_XDECREF(a->path);
	Py_XDECREF(a->query);
	Py_XDECREF(a->fields);
	Py_XDECREF(a->body);
	if (a->headers != a->headers_inline)
		PyMem_Free(a->headers);
	PyMem_Free(a);
}

static const struct fr_transport transport = {
	.body = asgi_body,
	.received = asgi_received,
	.limit = asgi_limit,
	.reply = asgi_reply,
	.scope = asgi_scope,
	.receive = asgi_receive,
	.send = asgi_send,
	.started = asgi_started,
	.traverse = asgi_traverse,
	.done = asgi_done,
};

/* ---- from scope to input ---- */

/* Text as UTF-8; *keep holds what the span points into. */
static int text_span(PyObject *text, PyObject **keep, struct fr_span *ret)
{
	Py_ssize_t len;
	if (!PyUnicode_Check(text)) {
		PyErr_SetString(PyExc_TypeError, "a str was expected in the scope");
		return -1;
	}
	const char *p = PyUnicode_AsUTF8AndSize(text, &len);
	if (p) {
		fr_set(keep, Py_NewRef(text));
	} else {
		PyErr_Clear(); /* lone surrogates: no route has them, but they must be passed on */
		PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
		if (!bytes)
			return -1;
		p = PyBytes_AS_STRING(bytes);
		len = PyBytes_GET_SIZE(bytes);
		fr_set(keep, bytes);
	}
	*ret = (struct fr_span){ p, (size_t)len };
	return 0;
}

static PyObject *item(PyObject *scope, PyObject *key, bool needed)
{
	PyObject *value = PyDict_GetItemWithError(scope, key);
	if (!value && needed && !PyErr_Occurred())
		PyErr_SetObject(PyExc_KeyError, key);
	return value;
}

/* A list of pairs as tuples of bytes, so that nobody can change them. */
static PyObject *fixed_fields(PyObject *headers)
{
	/* A list first: PySequence_Tuple() would give a caller's own tuple, to be changed here. */
	PyObject *list = PySequence_List(headers);
	PyObject *fields = list ? PyList_AsTuple(list) : NULL;
	Py_XDECREF(list);
	for (Py_ssize_t i = 0; fields && i < PyTuple_GET_SIZE(fields); i++) {
		PyObject *pair = PyTuple_GET_ITEM(fields, i);
		if (PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2 &&
		    PyBytes_CheckExact(PyTuple_GET_ITEM(pair, 0)) &&
		    PyBytes_CheckExact(PyTuple_GET_ITEM(pair, 1)))
			continue;
		PyObject *both = PySequence_Tuple(pair), *copy = NULL;
		if (both && PyTuple_GET_SIZE(both) == 2) {
			PyObject *name = PyBytes_FromObject(PyTuple_GET_ITEM(both, 0));
			PyObject *value =
				name ? PyBytes_FromObject(PyTuple_GET_ITEM(both, 1)) : NULL;
			copy = value ? PyTuple_Pack(2, name, value) : NULL;
			Py_XDECREF(name);
			Py_XDECREF(value);
		} else if (both) {
			PyErr_SetString(PyExc_ValueError, "headers must be pairs of bytes");
		}
		Py_XDECREF(both);
		if (!copy) {
			Py_CLEAR(fields);
			break;
		}
		PyTuple_SET_ITEM(fields, i, copy);
		Py_DECREF(pair);
	}
	return fields;
}

static int take_headers(struct asgi *a)
{
	PyObject *headers = item(a->scope, a->state->names.headers, false);
	a->headers = a->headers_inline;
	a->in.headers = a->headers;
	if (!headers)
		return PyErr_Occurred() ? -1 : 0;
	a->fields = fixed_fields(headers);
	if (!a->fields)
		return -1;
	size_t n = (size_t)PyTuple_GET_SIZE(a->fields);
	if (n > INLINE_HEADERS) {
		struct fr_header *all = PyMem_Malloc(n * sizeof(*all));
		if (!all) {
			PyErr_NoMemory();
			return -1;
		}
		a->headers = all;
	}
	for (size_t i = 0; i < n; i++) {
		PyObject *pair = PyTuple_GET_ITEM(a->fields, (Py_ssize_t)i);
		PyObject *name = PyTuple_GET_ITEM(pair, 0), *value = PyTuple_GET_ITEM(pair, 1);
		a->headers[i].name =
			(struct fr_span){ PyBytes_AS_STRING(name), (size_t)PyBytes_GET_SIZE(name) };
		a->headers[i].value = (struct fr_span){ PyBytes_AS_STRING(value),
			                                (size_t)PyBytes_GET_SIZE(value) };
	}
	a->in.headers = a->headers;
	a->in.nheaders = n;
	return 0;
}

/* What routes match: the path below root_path, as Starlette cuts it. */
static int take_route_path(struct asgi *a, struct fr_program *program)
{
	const struct fr_image *image = program->image;
	struct fr_span root = { fr_str_in(image, image->root_path), image->root_path.len };
	PyObject *keep = NULL;
	if (!root.len) {
		PyObject *text = item(a->scope, a->state->names.root_path, false);
		if (!text && PyErr_Occurred())
			return -1;
		if (text && text_span(text, &keep, &root) < 0)
			return -1;
	}
	a->in.path = fr_path_below(a->in.full_path, root);
	Py_XDECREF(keep);
	return 0;
}

static int take_scope(struct asgi *a, struct fr_program *program)
{
	struct fr_names *names = &a->state->names;
	PyObject *method = item(a->scope, names->method, true);
	PyObject *path = method ? item(a->scope, names->path, true) : NULL;
	if (!path || text_span(method, &a->method, &a->in.method_name) < 0 ||
	    text_span(path, &a->path, &a->in.full_path) < 0 || take_route_path(a, program) < 0)
		return -1;
	a->in.method = fr_method_bit(a->in.method_name.p, a->in.method_name.len);
	PyObject *query = item(a->scope, names->query_string, false);
	if (query) {
		a->query = PyBytes_FromObject(query);
		if (!a->query)
			return -1;
		a->in.query = (struct fr_span){ PyBytes_AS_STRING(a->query),
			                        (size_t)PyBytes_GET_SIZE(a->query) };
	} else if (PyErr_Occurred()) {
		return -1;
	} else {
		a->in.query = (struct fr_span){ "", 0 };
	}
	return take_headers(a);
}

PyObject *fr_asgi_run(struct fr_state *state, PyObject *app, PyObject *scope, PyObject *receive,
                      PyObject *send, bool routed)
{
	struct fr_program *program = fr_program_of(state, app);
	PyObject *run = NULL;
	if (!program)
		return NULL;
	struct asgi *a = PyMem_Malloc(sizeof(*a));
	if (!a) {
		PyErr_NoMemory();
		goto out;
	}
	memset(a, 0, offsetof(struct asgi, headers_inline));
	a->headers = a->headers_inline;
	a->state = state;
	a->scope = Py_NewRef(scope);
	a->receive = Py_NewRef(receive);
	a->send = Py_NewRef(send);
	a->in.transport = &transport;
	a->in.toplevel = !routed;
	a->in.foreign = true;
	a->in.routed = routed;
	if (take_scope(a, program) == 0)
		run = fr_run_new(program, &a->in);
	if (!run)
		asgi_done(&a->in);
out:
	fr_program_unref(program);
	return run;
}

int fr_asgi_ready(PyObject *module, struct fr_state *state)
{
	state->sender_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sender_spec, NULL);
	return state->sender_type ? 0 : -1;
}
