#include "workers/state.h"

#include <string.h>

struct import {
	const char *module;
	const char *attr;
};

static const struct import imports[FR_NIMPORTS] = {
#define X(field, module, attr) [FR_I_##field] = { module, attr },
	FR_IMPORTS(X)
#undef X
};

/* Walks a dotted attribute path: new reference. */
static PyObject *walk(PyObject *from, const char *path)
{
	PyObject *at = Py_NewRef(from);
	while (at && *path) {
		size_t len = strcspn(path, ".");
		PyObject *name = PyUnicode_FromStringAndSize(path, (Py_ssize_t)len);
		PyObject *next = name ? PyObject_GetAttr(at, name) : NULL;
		Py_XDECREF(name);
		Py_SETREF(at, next);
		path += len;
		if (*path == '.')
			path++;
	}
	return at;
}

PyObject *fr_state_import(struct fr_state *state, enum fr_import which)
{
	if (state->imports[which])
		return state->imports[which];
	PyObject *module = PyImport_ImportModule(imports[which].module);
	if (!module)
		return NULL;
	PyObject *found = walk(module, imports[which].attr);
	Py_DECREF(module);
	/* The import may have run code that made the same look-up. */
	if (state->imports[which])
		Py_XDECREF(found);
	else
		state->imports[which] = found;
	return state->imports[which];
}

int fr_state_init(struct fr_state *state)
{
	struct fr_names *names = &state->names;
#define X(n)                                                                                       \
	names->n = PyUnicode_InternFromString(#n);                                                 \
	if (!names->n)                                                                             \
		return -1;
	FR_NAMES(X)
#undef X
	state->kw_from_attributes = PyTuple_Pack(1, names->from_attributes);
	state->json_type = PyBytes_FromString("application/json");
	state->empty = PyBytes_FromStringAndSize(NULL, 0);
	state->msg_start = PyUnicode_InternFromString("http.response.start");
	state->msg_body = PyUnicode_InternFromString("http.response.body");
	state->b_content_length = PyBytes_FromString("content-length");
	state->b_content_type = PyBytes_FromString("content-type");
	state->telemetry_key = PyUnicode_InternFromString("fastapi.telemetry");
	if (!state->kw_from_attributes || !state->json_type || !state->empty || !state->msg_start ||
	    !state->msg_body || !state->b_content_length || !state->b_content_type ||
	    !state->telemetry_key)
		return -1;
	return 0;
}

int fr_state_traverse(struct fr_state *state, visitproc visit, void *arg)
{
	for (size_t i = 0; i < FR_NIMPORTS; i++)
		Py_VISIT(state->imports[i]);
	Py_VISIT(state->run_type);
	Py_VISIT(state->thunk_type);
	Py_VISIT(state->program_type);
	Py_VISIT(state->method_type);
	Py_VISIT(state->router_type);
	Py_VISIT(state->sender_type);
	return 0;
}

void fr_state_clear(struct fr_state *state)
{
#define X(n) Py_CLEAR(state->names.n);
	FR_NAMES(X)
#undef X
	for (size_t i = 0; i < FR_NIMPORTS; i++)
		Py_CLEAR(state->imports[i]);
	Py_CLEAR(state->run_type);
	Py_CLEAR(state->thunk_type);
	Py_CLEAR(state->program_type);
	Py_CLEAR(state->method_type);
	Py_CLEAR(state->router_type);
	Py_CLEAR(state->sender_type);
	Py_CLEAR(state->kw_from_attributes);
	Py_CLEAR(state->json_type);
	Py_CLEAR(state->empty);
	Py_CLEAR(state->msg_start);
	Py_CLEAR(state->msg_body);
	Py_CLEAR(state->b_content_length);
	Py_CLEAR(state->b_content_type);
	Py_CLEAR(state->telemetry_key);
	for (size_t i = 0; i < FR_NPROVIDERS; i++) {
		Py_CLEAR(state->providers[i].module);
		Py_CLEAR(state->providers[i].variable);
	}
}
