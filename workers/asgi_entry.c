/*
 * What an ASGI server calls: an application's __call__, and the router that
 * its middleware is wrapped around.
 */
#include "workers/asgi.h"

static PyObject *item(PyObject *scope, PyObject *key)
{
	PyObject *value = PyDict_GetItemWithError(scope, key);
	if (!value && !PyErr_Occurred())
		PyErr_SetObject(PyExc_KeyError, key);
	return value;
}

static PyObject *enter(struct fr_state *state, PyObject *app, PyObject *scope, PyObject *receive,
                       PyObject *send, bool routed)
{
	if (!PyDict_Check(scope)) {
		PyErr_SetString(PyExc_TypeError, "an ASGI scope must be a dict");
		return NULL;
	}
	PyObject *type = item(scope, state->names.type);
	if (!type)
		return NULL;
	if (PyUnicode_Check(type) && PyUnicode_CompareWithASCIIString(type, "http") == 0) {
		/* A traced request stays in Python, where spans can be put around its parts. */
		PyObject *traced = PyDict_GetItemWithError(scope, state->telemetry_key);
		if (!traced && PyErr_Occurred())
			return NULL;
		if (!traced || traced == Py_None)
			return fr_asgi_run(state, app, scope, receive, send, routed);
		return PyObject_CallMethodObjArgs(
			app, routed ? state->names._traced_asgi : state->names._python_asgi, scope,
			receive, send, NULL);
	}
	bool lifespan =
		PyUnicode_Check(type) && PyUnicode_CompareWithASCIIString(type, "lifespan") == 0;
	return PyObject_CallMethodObjArgs(
		app, lifespan ? state->names._lifespan_asgi : state->names._python_asgi, scope,
		receive, send, NULL);
}

/* ---- __call__ ---- */

static PyObject *method_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *const names[] = { "self", "scope", "receive", "send", NULL };
	PyObject *app, *scope, *receive, *send;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:__call__", (char **)names, &app,
	                                 &scope, &receive, &send))
		return NULL;
	return enter(PyType_GetModuleState(Py_TYPE(self)), app, scope, receive, send, false);
}

static PyObject *method_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
	return object && object != Py_None ? PyMethod_New(self, object) : Py_NewRef(self);
}

/*
 * To inspect, and so to asyncio, hypercorn and others, what has these attributes of a
 * function is one: a coroutine function by the flags of its code.
 */
static PyObject *get_looks(PyObject *Py_UNUSED(self), void *name)
{
	PyObject *from = PyImport_ImportModule("fastrapi._runtime.asgi");
	PyObject *like = from ? PyObject_GetAttrString(from, "call_like") : NULL;
	PyObject *value = like ? PyObject_GetAttrString(like, name) : NULL;
	Py_XDECREF(from);
	Py_XDECREF(like);
	return value;
}

static PyObject *get_call_name(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
	return PyUnicode_FromString("__call__");
}

static PyGetSetDef method_getset[] = {
	{ "__code__", get_looks, NULL, NULL, "__code__" },
	{ "__defaults__", get_looks, NULL, NULL, "__defaults__" },
	{ "__kwdefaults__", get_looks, NULL, NULL, "__kwdefaults__" },
	{ "__annotations__", get_looks, NULL, NULL, "__annotations__" },
	{ "__name__", get_call_name, NULL, NULL, NULL },
	{ "__qualname__", get_call_name, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static void plain_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot method_slots[] = {
	{ Py_tp_dealloc, plain_dealloc },
	{ Py_tp_call, method_call },
	{ Py_tp_descr_get, method_get },
	{ Py_tp_getset, method_getset },
	{ Py_tp_doc,
	  (void *)"An application's __call__(scope, receive, send): runs it on the executor." },
	{ 0, NULL },
};

static PyType_Spec method_spec = {
	.name = "fastrapi._fastrapid.AsgiMethod",
	.basicsize = sizeof(PyObject),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_METHOD_DESCRIPTOR |
	         Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = method_slots,
};

/* ---- the router inside the middleware ---- */

struct router {
	PyObject_HEAD PyObject *app;
};

static PyObject *router_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static const char *const names[] = { "app", NULL };
	PyObject *app;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:asgi_router", (char **)names, &app))
		return NULL;
	struct router *r = (struct router *)type->tp_alloc(type, 0);
	if (r)
		r->app = Py_NewRef(app);
	return (PyObject *)r;
}

static PyObject *router_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *const names[] = { "scope", "receive", "send", NULL };
	PyObject *scope, *receive, *send;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:__call__", (char **)names, &scope,
	                                 &receive, &send))
		return NULL;
	return enter(PyType_GetModuleState(Py_TYPE(self)), ((struct router *)self)->app, scope,
	             receive, send, true);
}

static int router_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(((struct router *)self)->app);
	return 0;
}

static int router_clear(PyObject *self)
{
	Py_CLEAR(((struct router *)self)->app);
	return 0;
}

static void router_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	router_clear(self);
	plain_dealloc(self);
}

static PyType_Slot router_slots[] = {
	{ Py_tp_new, router_new },
	{ Py_tp_dealloc, router_dealloc },
	{ Py_tp_traverse, router_traverse },
	{ Py_tp_clear, router_clear },
	{ Py_tp_call, router_call },
	{ Py_tp_doc, (void *)"asgi_router(app): the routes of app, as what its middleware is "
	                     "wrapped around." },
	{ 0, NULL },
};

static PyType_Spec router_spec = {
	.name = "fastrapi._fastrapid.asgi_router",
	.basicsize = sizeof(struct router),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = router_slots,
};

int fr_asgi_entry_ready(PyObject *module, struct fr_state *state)
{
	state->method_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &method_spec, NULL);
	state->router_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &router_spec, NULL);
	if (!state->method_type || !state->router_type)
		return -1;
	PyObject *method = state->method_type->tp_alloc(state->method_type, 0);
	if (!method || PyModule_AddObjectRef(module, "asgi_method", method) < 0) {
		Py_XDECREF(method);
		return -1;
	}
	Py_DECREF(method);
	return PyModule_AddType(module, state->router_type);
}
