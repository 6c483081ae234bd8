#include "workers/loop.h"

#include <stdbool.h>
#include <structmember.h>

#include "workers/selector.h"

/*
 * Stands in for loop.call_soon.  While it catches, what asyncio.Task's
 * constructor schedules is kept here instead of in loop._ready; otherwise it
 * hands everything on.
 */
struct catcher {
	PyObject_HEAD vectorcallfunc vectorcall;
	PyObject *stock; /* the loop's own bound call_soon */
	PyObject *name_context;
	PyObject *callback, *context; /* what was caught */
	bool catching;
};

static PyObject *catcher_call(PyObject *callable, PyObject *const *args, size_t nargsf,
                              PyObject *kwnames)
{
	struct catcher *self = (struct catcher *)callable;

	if (!self->catching)
		return PyObject_Vectorcall(self->stock, args, nargsf, kwnames);
	self->catching = false;
	/* Task schedules its first step as call_soon(step, context=context). */
	if (PyVectorcall_NARGS(nargsf) != 1 || !kwnames || PyTuple_GET_SIZE(kwnames) != 1 ||
	    PyUnicode_Compare(PyTuple_GET_ITEM(kwnames, 0), self->name_context) != 0 ||
	    !PyContext_CheckExact(args[1]))
		return PyObject_Vectorcall(self->stock, args, nargsf, kwnames);
	self->callback = Py_NewRef(args[0]);
	self->context = Py_NewRef(args[1]);
	Py_RETURN_NONE;
}

static int catcher_traverse(struct catcher *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(self->stock);
	Py_VISIT(self->callback);
	Py_VISIT(self->context);
	return 0;
}

static int catcher_clear(struct catcher *self)
{
	Py_CLEAR(self->stock);
	Py_CLEAR(self->callback);
	Py_CLEAR(self->context);
	return 0;
}

static void catcher_dealloc(struct catcher *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	catcher_clear(self);
	Py_CLEAR(self->name_context);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMemberDef catcher_members[] = {
	{ "__vectorcalloffset__", T_PYSSIZET, offsetof(struct catcher, vectorcall), READONLY,
	  NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot catcher_slots[] = {
	{ Py_tp_dealloc, catcher_dealloc },
	{ Py_tp_traverse, catcher_traverse },
	{ Py_tp_clear, catcher_clear },
	{ Py_tp_call, PyVectorcall_Call },
	{ Py_tp_members, catcher_members },
	{ Py_tp_doc, "call_soon(callback, *args, context=None): as the event loop's own" },
	{ 0, NULL },
};

static PyType_Spec catcher_spec = {
	.name = "fastrapi._fastrapid.CallSoon",
	.basicsize = sizeof(struct catcher),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
	         Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = catcher_slots,
};

static PyObject *catcher_new(PyObject *loop)
{
	PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&catcher_spec);
	struct catcher *self = type ? PyObject_GC_New(struct catcher, type) : NULL;

	Py_XDECREF(type);
	if (!self)
		return NULL;
	self->vectorcall = catcher_call;
	self->callback = self->context = NULL;
	self->catching = false;
	self->stock = PyObject_GetAttrString(loop, "call_soon");
	self->name_context = PyUnicode_InternFromString("context");
	PyObject_GC_Track(self);
	if (!self->stock || !self->name_context ||
	    PyObject_SetAttrString(loop, "call_soon", (PyObject *)self) < 0)
		Py_CLEAR(self);
	return (PyObject *)self;
}

static PyObject *make_loop(PyObject *asyncio, PyObject *selector)
{
	PyObject *loop = PyObject_CallMethod(asyncio, "SelectorEventLoop", "O", selector);
	PyObject *set = loop ? PyObject_CallMethod(asyncio, "set_event_loop", "O", loop) : NULL;

	if (!set)
		Py_CLEAR(loop);
	Py_XDECREF(set);
	return loop;
}

int fr_loop_init(struct fr_loop *l)
{
	PyObject *asyncio = PyImport_ImportModule("asyncio");
	PyObject *exc;

	*l = (struct fr_loop){ 0 };
	if (!asyncio)
		return -1;
	l->selector = fr_selector_new();
	l->loop = l->selector ? make_loop(asyncio, l->selector) : NULL;
	l->task_type = PyObject_GetAttrString(asyncio, "Task");
	l->cancelled_error = PyObject_GetAttrString(asyncio, "CancelledError");
	Py_DECREF(asyncio);
	l->task_name = PyUnicode_InternFromString("request");
	l->task_keywords = Py_BuildValue("(ss)", "loop", "name");
	l->task_keywords_context = Py_BuildValue("(sss)", "loop", "name", "context");
	if (!l->loop || !l->task_type || !l->cancelled_error || !l->task_name ||
	    !l->task_keywords || !l->task_keywords_context)
		goto fail;
	l->ev = fr_selector_ev(l->selector);
	l->catcher = catcher_new(l->loop);
	if (!l->catcher || fr_selector_attach(l->selector, l->loop) < 0)
		goto fail;
	return 0;
fail:
	exc = fr_exc_take();
	fr_loop_fini(l);
	fr_exc_set(exc);
	return -1;
}

void fr_loop_fini(struct fr_loop *l)
{
	if (l->loop) {
		PyObject *closed = PyObject_CallMethod(l->loop, "close", NULL);

		if (!closed)
			PyErr_WriteUnraisable(l->loop);
		Py_XDECREF(closed);
		PyObject_SetAttrString(l->loop, "call_soon", Py_None); /* breaks the cycle */
		PyErr_Clear();
	}
	l->ev = NULL;
	Py_CLEAR(l->life);
	Py_CLEAR(l->catcher);
	Py_CLEAR(l->loop);
	Py_CLEAR(l->selector);
	Py_CLEAR(l->task_type);
	Py_CLEAR(l->cancelled_error);
	Py_CLEAR(l->task_name);
	Py_CLEAR(l->task_keywords);
	Py_CLEAR(l->task_keywords_context);
}

/* Runs what was caught, as the loop would have: in its context. */
static int run_caught(struct catcher *catcher)
{
	PyObject *callback = catcher->callback, *context = catcher->context;
	PyObject *result = NULL;
	int rc = -1;

	catcher->callback = catcher->context = NULL;
	if (PyContext_Enter(context) == 0) {
		result = PyObject_CallNoArgs(callback);
		rc = PyContext_Exit(context);
	}
	Py_DECREF(callback);
	Py_DECREF(context);
	if (!result)
		return -1;
	Py_DECREF(result);
	return rc;
}

PyObject *fr_loop_start_task(struct fr_loop *l, PyObject *coro, PyObject *context)
{
	struct catcher *catcher = (struct catcher *)l->catcher;
	PyObject *args[5] = { NULL, coro, l->loop, l->task_name, context };
	PyObject *task;

	catcher->catching = true;
	task = PyObject_Vectorcall(l->task_type, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
	                           context ? l->task_keywords_context : l->task_keywords);
	catcher->catching = false;
	if (!task) {
		Py_CLEAR(catcher->callback);
		Py_CLEAR(catcher->context);
		return NULL;
	}
	/* SystemExit and KeyboardInterrupt come out of the step; the task holds them as well. */
	if (catcher->callback && run_caught(catcher) < 0)
		PyErr_WriteUnraisable(task);
	return task;
}

PyObject *fr_loop_run_until(struct fr_loop *l, PyObject *coro)
{
	PyObject *result =
		coro ? PyObject_CallMethod(l->loop, "run_until_complete", "O", coro) : NULL;

	Py_XDECREF(coro);
	return result;
}

int fr_loop_run_code(struct fr_loop *l, const char *code, double number)
{
	PyObject *names = PyDict_New(), *done = NULL, *result = NULL;

	if (names)
		done = PyRun_String(code, Py_file_input, names, names);
	if (done)
		result = fr_loop_run_until(
			l, PyObject_CallFunction(PyDict_GetItemString(names, "run"), "d", number));
	Py_XDECREF(names);
	Py_XDECREF(done);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

/* A task of asyncio.Event().wait(): it waits for ever.  As for requests, no task factory is asked. */
static PyObject *life_new(const struct fr_loop *l)
{
	PyObject *asyncio = PyImport_ImportModule("asyncio");
	PyObject *event = asyncio ? PyObject_CallMethod(asyncio, "Event", NULL) : NULL;
	PyObject *name = PyUnicode_FromString("fastrapid");
	PyObject *args[3] = { NULL, l->loop, name }, *task = NULL;

	if (event && name)
		args[0] = PyObject_CallMethod(event, "wait", NULL);
	if (args[0])
		task = PyObject_Vectorcall(l->task_type, args, 1, l->task_keywords);
	Py_XDECREF(args[0]);
	Py_XDECREF(asyncio);
	Py_XDECREF(event);
	Py_XDECREF(name);
	return task;
}

/* "Event loop stopped before Future completed.": it was raised by run_until_complete() itself. */
static bool was_stopped(PyObject *exc)
{
	PyObject *tb = Py_IS_TYPE(exc, (PyTypeObject *)PyExc_RuntimeError)
	                       ? PyException_GetTraceback(exc)
	                       : NULL;
	bool own = tb && !((PyTracebackObject *)tb)->tb_next;

	Py_XDECREF(tb);
	return own;
}

/* The end of run_until_complete()'s task stops the loop; if it was stopped in that turn anyhow, in the next. */
static int one_turn(const struct fr_loop *l)
{
	PyObject *stop = PyObject_GetAttrString(l->loop, "stop");
	PyObject *soon = stop ? PyObject_CallMethod(l->loop, "call_soon", "O", stop) : NULL;
	PyObject *ran = soon ? PyObject_CallMethod(l->loop, "run_forever", NULL) : NULL;

	Py_XDECREF(stop);
	Py_XDECREF(soon);
	Py_XDECREF(ran);
	return ran ? 0 : -1;
}

int fr_loop_run(struct fr_loop *l)
{
	PyObject *result, *exc, *done;
	bool waits;

	if (!l->life && !(l->life = life_new(l)))
		return -1;
	result = PyObject_CallMethod(l->loop, "run_until_complete", "O", l->life);
	Py_XDECREF(result);
	exc = result ? NULL : fr_exc_take();
	done = PyObject_CallMethod(l->life, "done", NULL);
	waits = done == Py_False;
	Py_XDECREF(done);
	PyErr_Clear();
	if (!waits)
		Py_CLEAR(l->life);
	if (exc &&
	    !(waits ? was_stopped(exc) : PyErr_GivenExceptionMatches(exc, l->cancelled_error))) {
		fr_exc_set(exc);
		return -1;
	}
	Py_XDECREF(exc);
	return waits ? 0 : one_turn(l) < 0 ? -1 : 1;
}
