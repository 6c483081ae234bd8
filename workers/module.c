/*
 * The module `fastrapi._fastrapid`: an extension module in other interpreters,
 * built in where the daemon runs.
 */
#include "config.h"

#include "workers/asgi.h"
#include "workers/exec.h"
#include "workers/patterns.h"
#include "workers/place.h"

#include <string.h>

PyMODINIT_FUNC PyInit__fastrapid(void);

static PyObject *set_sync_handlers(PyObject *module, PyObject *mode)
{
	static const char *const modes[] = { [FR_PLACE_AUTO] = "auto",
		                             [FR_PLACE_INLINE] = "inline",
		                             [FR_PLACE_THREADS] = "threads" };
	struct fr_state *state = PyModule_GetState(module);
	const char *text = PyUnicode_AsUTF8(mode);
	if (!text)
		return NULL;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(text, modes[i]) == 0) {
			state->placement = i;
			Py_RETURN_NONE;
		}
	}
	PyErr_Format(PyExc_ValueError, "sync_handlers is auto, inline or threads, not %R", mode);
	return NULL;
}

static PyObject *placements(PyObject *module, PyObject *app)
{
	struct fr_program *program = fr_program_of(PyModule_GetState(module), app);
	PyObject *report = program ? fr_place_report(program) : NULL;
	fr_program_unref(program);
	return report;
}

static PyObject *encode(PyObject *Py_UNUSED(module), PyObject *value)
{
	PyObject *bytes = fr_json_encode(value);
	if (!bytes && !PyErr_Occurred())
		Py_RETURN_NONE;
	return bytes;
}

static PyObject *plans_executed(PyObject *module, PyObject *Py_UNUSED(args))
{
	struct fr_state *state = PyModule_GetState(module);
	return PyLong_FromUnsignedLongLong(state->plans);
}

static PyMethodDef methods[] = {
	{ "set_sync_handlers", set_sync_handlers, METH_O,
	  "Where `def` callables run, of applications compiled from now on: auto, inline or "
	  "threads." },
	{ "placements", placements, METH_O,
	  "What is known of each `def` callable of an application." },
	{ "plans_executed", plans_executed, METH_NOARGS,
	  "How many requests of this process a plan has answered." },
	{ "encode", encode, METH_O, "Plain data as JSON, as bytes; None if it isn't plain." },
	{ "misfits", fr_patterns_misfits, METH_O,
	  "The indices of the patterns, of a list, that the route table can't hold." },
	{ NULL, NULL, 0, NULL },
};

static int module_exec(PyObject *module)
{
	struct fr_state *state = PyModule_GetState(module);
	if (fr_state_init(state) < 0 || fr_program_ready(module, state) < 0 ||
	    fr_run_ready(module, state) < 0 || fr_place_ready(module, state) < 0 ||
	    fr_asgi_ready(module, state) < 0 || fr_asgi_entry_ready(module, state) < 0)
		return -1;
	return PyModule_AddStringConstant(module, "__version__", PACKAGE_VERSION);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	struct fr_state *state = PyModule_GetState(module);
	return state ? fr_state_traverse(state, visit, arg) : 0;
}

static int module_clear(PyObject *module)
{
	struct fr_state *state = PyModule_GetState(module);
	if (state)
		fr_state_clear(state);
	return 0;
}

static void module_free(void *module)
{
	module_clear(module);
}

static PyModuleDef_Slot slots[] = {
	{ Py_mod_exec, module_exec },
	{ 0, NULL },
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "fastrapi._fastrapid",
	.m_doc = "The executor: requests, run from plans.",
	.m_size = sizeof(struct fr_state),
	.m_methods = methods,
	.m_slots = slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
	.m_free = module_free,
};

PyMODINIT_FUNC PyInit__fastrapid(void)
{
	return PyModuleDef_Init(&definition);
}
