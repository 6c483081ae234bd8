#include "workers/providers.h"

static const struct {
	const char *module, *variable;
} where[FR_NPROVIDERS] = {
	{ "opentelemetry.trace", "_TRACER_PROVIDER" },
	{ "opentelemetry.metrics._internal", "_METER_PROVIDER" },
	{ "opentelemetry._logs._internal", "_LOGGER_PROVIDER" },
};

/* The names, once. */
static int intern(struct fr_provider *p, size_t which)
{
	if (!p->module)
		p->module = PyUnicode_InternFromString(where[which].module);
	if (!p->variable)
		p->variable = PyUnicode_InternFromString(where[which].variable);
	return p->module && p->variable ? 0 : -1;
}

int fr_providers_set(struct fr_state *state)
{
	PyObject *modules = PyImport_GetModuleDict();
	int set = 0;
	for (size_t i = 0; i < FR_NPROVIDERS; i++) {
		struct fr_provider *p = &state->providers[i];
		if (!p->variable && intern(p, i) < 0)
			return -1;
		PyObject *module = PyDict_GetItemWithError(modules, p->module);
		if (!module && PyErr_Occurred())
			return -1;
		if (!module || !PyModule_Check(module))
			continue;
		PyObject *value = PyDict_GetItemWithError(PyModule_GetDict(module), p->variable);
		if (!value && PyErr_Occurred())
			return -1;
		set += value && value != Py_None;
	}
	return set;
}
