#include "workers/program.h"

#include <string.h>
#include <sys/random.h>

#include "shm/builder.h"
#include "shm/verify.h"
#include "workers/place.h"
#include "workers/providers.h"

/* ---- binding ---- */

static const char *const in_names[] = {
	[FR_IN_PATH] = "path",     [FR_IN_QUERY] = "query", [FR_IN_HEADER] = "header",
	[FR_IN_COOKIE] = "cookie", [FR_IN_BODY] = "body",
};

static PyObject *image_str(const struct fr_image *image, struct fr_str s)
{
	PyObject *str = PyUnicode_DecodeUTF8(fr_str_in(image, s), s.len, NULL);
	if (str)
		PyUnicode_InternInPlace(&str);
	return str;
}

/* The names of a call's arguments, and where their values lie. */
static int bind_args(const struct fr_image *image, const struct fr_step *step, struct fr_bound *b)
{
	const struct fr_arg *args = FR_IMAGE_AT(image, step->args.off);
	uint32_t n = step->args.count;
	b->kwnames = PyTuple_New(n);
	b->slots = PyMem_Calloc(n ? n : 1, sizeof(*b->slots));
	if (!b->kwnames || !b->slots) {
		PyErr_NoMemory();
		return -1;
	}
	b->nargs = n;
	for (uint32_t i = 0; i < n; i++) {
		PyObject *name = image_str(image, args[i].name);
		if (!name)
			return -1;
		PyTuple_SET_ITEM(b->kwnames, i, name);
		b->slots[i] = args[i].slot;
	}
	return 0;
}

/* A dict of keywords as a tuple of names and one of values. */
static int bind_keywords(PyObject *dict, struct fr_bound *b)
{
	if (dict && !PyDict_Check(dict)) {
		PyErr_SetString(PyExc_TypeError, "a serializer's keywords must be a dict");
		return -1;
	}
	PyObject *all = dict ? Py_NewRef(dict) : PyDict_New();
	if (!all)
		return -1;
	PyObject *names = PyDict_Keys(all), *values = PyDict_Values(all);
	Py_DECREF(all);
	if (names && values) {
		b->kwnames = PyList_AsTuple(names);
		b->values = PyList_AsTuple(values);
	}
	Py_XDECREF(names);
	Py_XDECREF(values);
	if (!b->kwnames || !b->values)
		return -1;
	b->nargs = (uint32_t)PyTuple_GET_SIZE(b->kwnames);
	return 0;
}

static int bind_respond(struct fr_program *program, const struct fr_step *step, struct fr_bound *b)
{
	struct fr_names *names = &program->state->names;
	PyObject *serializer = fr_program_object(program, step->object3);
	bool to_json = step->mode == FR_SERIALIZE_FIELD_JSON;
	if (!serializer)
		return 0;
	b->serialize = PyObject_GetAttr(serializer, to_json ? names->to_json : names->to_python);
	if (!b->serialize)
		return -1;
	return bind_keywords(fr_program_object(program, step->object4), b);
}

static int bind_step(struct fr_program *program, const struct fr_step *step, struct fr_bound *b)
{
	const struct fr_image *image = program->image;
	struct fr_names *names = &program->state->names;
	switch (step->op) {
	case FR_OP_PARAM:
	case FR_OP_BODY: {
		PyObject *validator = fr_program_object(program, step->object);
		int in = step->op == FR_OP_BODY ? FR_IN_BODY : step->in;
		b->alias = image_str(image, step->alias);
		if (!b->alias)
			return -1;
		if (step->op == FR_OP_BODY && !(step->flags & FR_STEP_EMBED))
			b->loc = Py_BuildValue("(s)", in_names[in]);
		else
			b->loc = Py_BuildValue("(sO)", in_names[in], b->alias);
		if (!b->loc)
			return -1;
		if (!validator)
			return 0;
		b->validate = PyObject_GetAttr(validator, names->validate_python);
		if (!b->validate)
			return -1;
		if (step->flags & FR_STEP_DIRECT_JSON) {
			b->validate_json = PyObject_GetAttr(validator, names->validate_json);
			if (!b->validate_json)
				return -1;
		}
		return 0;
	}
	case FR_OP_RESPOND: {
		PyObject *validator = fr_program_object(program, step->object);
		if (validator) {
			b->validate = PyObject_GetAttr(validator, names->validate_python);
			if (!b->validate)
				return -1;
		}
		return bind_respond(program, step, b);
	}
	case FR_OP_CALL:
	case FR_OP_ENDPOINT:
	case FR_OP_PYBODY:
		return bind_args(image, step, b);
	default:
		return 0;
	}
}

/* ---- the object ---- */

static int program_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct fr_program *p = (struct fr_program *)self;
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(p->app);
	Py_VISIT(p->owner);
	Py_VISIT(p->debug);
	Py_VISIT(p->root_path);
	for (uint32_t i = 0; p->routes && i < p->image->routes.count; i++)
		Py_VISIT(p->routes[i]);
	Py_VISIT(p->overrides);
	Py_VISIT((PyObject *)p->overridden);
	for (uint32_t i = 0; p->objects && i < p->image->nobjects; i++)
		Py_VISIT(p->objects[i]);
	for (uint32_t i = 0; p->bound && i < p->image->steps.count; i++) {
		Py_VISIT(p->bound[i].validate);
		Py_VISIT(p->bound[i].validate_json);
		Py_VISIT(p->bound[i].serialize);
		Py_VISIT(p->bound[i].values);
	}
	return 0;
}

static int program_clear(PyObject *self)
{
	struct fr_program *p = (struct fr_program *)self;
	Py_CLEAR(p->app);
	Py_CLEAR(p->version);
	Py_CLEAR(p->debug);
	Py_CLEAR(p->root_path);
	for (uint32_t i = 0; p->routes && i < p->image->routes.count; i++)
		Py_CLEAR(p->routes[i]);
	Py_CLEAR(p->overrides);
	struct fr_program *overridden = p->overridden;
	p->overridden = NULL;
	fr_program_unref(overridden);
	for (uint32_t i = 0; p->objects && i < p->image->nobjects; i++)
		Py_CLEAR(p->objects[i]);
	for (uint32_t i = 0; p->bound && i < p->image->steps.count; i++) {
		Py_CLEAR(p->bound[i].validate);
		Py_CLEAR(p->bound[i].validate_json);
		Py_CLEAR(p->bound[i].serialize);
		Py_CLEAR(p->bound[i].values);
	}
	return 0;
}

static void program_dealloc(PyObject *self)
{
	struct fr_program *p = (struct fr_program *)self;
	PyTypeObject *type = Py_TYPE(self);
	PyObject_GC_UnTrack(self);
	program_clear(self);
	for (uint32_t i = 0; p->bound && i < p->image->steps.count; i++) {
		Py_XDECREF(p->bound[i].kwnames);
		Py_XDECREF(p->bound[i].loc);
		Py_XDECREF(p->bound[i].alias);
		PyMem_Free(p->bound[i].slots);
	}
	PyMem_Free(p->bound);
	PyMem_Free(p->objects);
	PyMem_Free(p->routes);
	PyMem_Free(p->places);
	Py_CLEAR(p->owner);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot program_slots[] = {
	{ Py_tp_dealloc, program_dealloc },
	{ Py_tp_traverse, program_traverse },
	{ Py_tp_clear, program_clear },
	{ Py_tp_doc, (void *)"A compiled application." },
	{ 0, NULL },
};

static PyType_Spec program_spec = {
	.name = "fastrapi._fastrapid.Program",
	.basicsize = sizeof(struct fr_program),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = program_slots,
};

int fr_program_ready(PyObject *module, struct fr_state *state)
{
	state->program_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &program_spec, NULL);
	return state->program_type ? PyModule_AddType(module, state->program_type) : -1;
}

/* What scope["route"] is: the route that was declared. */
static int bind_routes(struct fr_program *p)
{
	const struct fr_route *routes = FR_IMAGE_AT(p->image, p->image->routes.off);
	for (uint32_t i = 0; i < p->image->routes.count; i++) {
		PyObject *object = fr_program_object(p, routes[i].object);
		if (!object)
			continue;
		p->routes[i] = PyObject_GetAttr(object, p->state->names.original_route);
		if (!p->routes[i]) {
			if (!PyErr_ExceptionMatches(PyExc_AttributeError))
				return -1;
			PyErr_Clear();
			p->routes[i] = Py_NewRef(object);
		}
	}
	return 0;
}

/* What a program depends on, of app as it is now: 0, or -1 and an exception. */
struct version {
	PyObject *routes, *debug, *root_path;
	bool wrapped;
	int providers; /* OpenTelemetry's, that have been set */
};

static void version_fini(struct version *v)
{
	Py_CLEAR(v->routes);
	Py_CLEAR(v->debug);
	Py_CLEAR(v->root_path);
}

static int version_of(struct fr_state *state, PyObject *app, struct version *v)
{
	struct fr_names *names = &state->names;
	*v = (struct version){ 0 };
	PyObject *router = PyObject_GetAttr(app, names->router);
	PyObject *middleware = router ? PyObject_GetAttr(app, names->user_middleware) : NULL;
	int wrapped = middleware ? PyObject_IsTrue(middleware) : -1;
	if (wrapped == 0) {
		/* Telemetry is around a request like middleware. */
		PyObject *traced = PyObject_GetAttr(app, names->_traced);
		wrapped = traced ? PyObject_IsTrue(traced) : -1;
		Py_XDECREF(traced);
	}
	v->providers = wrapped < 0 ? -1 : fr_providers_set(state);
	if (v->providers >= 0) {
		v->wrapped = wrapped;
		v->routes = PyObject_GetAttr(router, names->_routes_version);
		v->debug = v->routes ? PyObject_GetAttr(app, names->debug) : NULL;
		v->root_path = v->debug ? PyObject_GetAttr(app, names->root_path) : NULL;
	}
	Py_XDECREF(router);
	Py_XDECREF(middleware);
	if (v->root_path)
		return 0;
	version_fini(v);
	return -1;
}

static int same(PyObject *a, PyObject *b)
{
	return a == b ? 1 : PyObject_RichCompareBool(a, b, Py_EQ);
}

/* 1: the program is of this version. */
static int version_fits(const struct fr_program *p, const struct version *v)
{
	if (p->wrapped != v->wrapped || p->providers != v->providers)
		return 0;
	int rc = same(p->version, v->routes);
	if (rc > 0)
		rc = same(p->debug, v->debug);
	return rc > 0 ? same(p->root_path, v->root_path) : rc;
}

struct fr_program *fr_program_new(struct fr_state *state, PyObject *app,
                                  const struct fr_image *image, PyObject *objects, PyObject *owner)
{
	if (!PyList_Check(objects) || (size_t)PyList_GET_SIZE(objects) != image->nobjects) {
		PyErr_Format(PyExc_RuntimeError,
		             "the image names %u objects, the application has %zd", image->nobjects,
		             PyList_Check(objects) ? PyList_GET_SIZE(objects) : (Py_ssize_t)-1);
		return NULL;
	}
	struct fr_program *p =
		(struct fr_program *)state->program_type->tp_alloc(state->program_type, 0);
	if (!p)
		return NULL;
	p->state = state;
	p->image = image;
	p->app = Py_NewRef(app);
	p->owner = Py_XNewRef(owner);
	p->placement = (uint8_t)state->placement;
	p->nplaces = image->nplaces;
	p->objects = PyMem_Calloc(image->nobjects + 1, sizeof(*p->objects));
	p->bound = PyMem_Calloc(image->steps.count + 1, sizeof(*p->bound));
	p->places = PyMem_Calloc(image->nplaces + 1, sizeof(*p->places));
	p->routes = PyMem_Calloc(image->routes.count + 1, sizeof(*p->routes));
	if (!p->objects || !p->bound || !p->places || !p->routes) {
		PyErr_NoMemory();
		goto fail;
	}
	for (uint32_t i = 0; i < image->nobjects; i++)
		p->objects[i] = Py_NewRef(PyList_GET_ITEM(objects, i));
	const struct fr_step *steps = FR_IMAGE_AT(image, image->steps.off);
	for (uint32_t i = 0; i < image->steps.count; i++) {
		if (bind_step(p, &steps[i], &p->bound[i]) < 0)
			goto fail;
		if (steps[i].op == FR_OP_CALL || steps[i].op == FR_OP_ENDPOINT)
			fr_place_settle(p, steps[i].place, steps[i].sync);
	}
	struct version v;
	if (bind_routes(p) < 0 || version_of(state, app, &v) < 0)
		goto fail;
	p->version = v.routes;
	p->debug = v.debug;
	p->root_path = v.root_path;
	p->wrapped = v.wrapped;
	p->providers = v.providers;
	return p;
fail:
	fr_program_unref(p);
	return NULL;
}

/* ---- compiling in this process ---- */

static void free_image(PyObject *capsule)
{
	struct fr_image_buf buf = { PyCapsule_GetPointer(capsule, NULL), 0 };
	fr_image_buf_fini(&buf);
}

/* made: (manifest, objects), stolen. */
static struct fr_program *compile_made(struct fr_state *state, PyObject *app, PyObject *made)
{
	struct fr_image_buf buf = { NULL, 0 };
	struct fr_program *program = NULL;
	PyObject *owner = NULL, *text, *objects;
	struct fr_diag diag = { 0 };
	uint64_t seed = 0;

	if (!made)
		return NULL;
	if (!PyArg_ParseTuple(made, "SO!:_manifest", &text, &PyList_Type, &objects))
		goto out;
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = (uintptr_t)made;
	if (fr_image_build(PyBytes_AS_STRING(text), (size_t)PyBytes_GET_SIZE(text), seed, &buf,
	                   &diag) < 0 ||
	    fr_image_verify(buf.image, buf.size, &diag) < 0) {
		PyErr_Format(PyExc_RuntimeError, "the application can't be compiled: %s: %s",
		             diag.where, diag.message);
		goto out;
	}
	owner = PyCapsule_New(buf.image, NULL, free_image);
	if (!owner)
		goto out;
	const struct fr_image *image = buf.image;
	buf.image = NULL; /* the capsule's now */
	program = fr_program_new(state, app, image, objects, owner);
out:
	if (buf.image)
		fr_image_buf_fini(&buf);
	Py_XDECREF(owner);
	Py_DECREF(made);
	return program;
}

struct fr_program *fr_program_compile(struct fr_state *state, PyObject *app)
{
	return compile_made(state, app, PyObject_CallMethodNoArgs(app, state->names._manifest));
}

/* ---- the program of an application ---- */

int fr_program_install(struct fr_program *program)
{
	return PyObject_SetAttr(program->app, program->state->names._program, (PyObject *)program);
}

/* program (stolen) with app's overrides in place. */
static struct fr_program *overridden(struct fr_state *state, struct fr_program *program,
                                     PyObject *overrides)
{
	struct fr_program *with = NULL;
	if (program->overridden && program->overrides) {
		int equal = same(program->overrides, overrides);
		if (equal < 0)
			goto out;
		if (equal) {
			with = fr_program_ref(program->overridden);
			goto out;
		}
	}
	PyObject *copy = PyDict_Copy(overrides);
	if (!copy)
		goto out;
	with = compile_made(state, program->app,
	                    PyObject_CallMethodNoArgs(program->app, state->names._overridden));
	if (!with) {
		Py_DECREF(copy);
		goto out;
	}
	fr_set(&program->overrides, copy);
	struct fr_program *old = program->overridden;
	program->overridden = fr_program_ref(with);
	fr_program_unref(old);
out:
	fr_program_unref(program);
	return with;
}

/* The program that app keeps: new reference; NULL and no exception if there is none. */
static struct fr_program *kept(struct fr_state *state, PyObject *app)
{
	PyObject *have = PyObject_GetAttr(app, state->names._program);
	if (!have) {
		if (PyErr_ExceptionMatches(PyExc_AttributeError))
			PyErr_Clear();
		return NULL;
	}
	if (Py_IS_TYPE(have, state->program_type) && ((struct fr_program *)have)->app == app)
		return (struct fr_program *)have;
	Py_DECREF(have);
	return NULL;
}

struct fr_program *fr_program_of(struct fr_state *state, PyObject *app)
{
	struct version v;
	if (version_of(state, app, &v) < 0)
		return NULL;
	struct fr_program *program = kept(state, app);
	int fits = program ? version_fits(program, &v) : 0;
	version_fini(&v);
	if (fits < 0 || PyErr_Occurred())
		goto fail;
	if (!fits) {
		fr_program_unref(program);
		program = fr_program_compile(state, app);
		if (!program || fr_program_install(program) < 0)
			goto fail;
	}
	PyObject *overrides = PyObject_GetAttr(app, state->names.dependency_overrides);
	if (!overrides)
		goto fail;
	if (PyDict_Check(overrides) && PyDict_GET_SIZE(overrides) > 0)
		program = overridden(state, program, overrides);
	Py_DECREF(overrides);
	return program;
fail:
	fr_program_unref(program);
	return NULL;
}
