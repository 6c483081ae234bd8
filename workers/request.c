/*
 * What Python sees of a request: scope, Request, path parameters, the injected
 * Response and BackgroundTasks.  Each is made when somebody asks for it.
 */
#include "workers/exec.h"

static PyObject *path_str(struct fr_span s)
{
	return fr_text(s.p, s.len);
}

static PyObject *convert(struct fr_run *run, PyObject *convertors, PyObject *name, PyObject *text)
{
	PyObject *convertor = convertors ? PyObject_GetItem(convertors, name) : NULL;
	if (!convertor) {
		PyErr_Clear();
		return Py_NewRef(text);
	}
	PyObject *value =
		PyObject_CallMethodOneArg(convertor, run->program->state->names.convert, text);
	Py_DECREF(convertor);
	return value;
}

/* Of a route on the side list: the groups of its match, through its convertors. */
static PyObject *side_params(struct fr_run *run)
{
	struct fr_names *names = &run->program->state->names;
	PyObject *groups = PyObject_CallMethodNoArgs(run->match, names->groupdict);
	if (!groups)
		return NULL;
	PyObject *object = fr_run_route_object(run);
	PyObject *convertors = object ? PyObject_GetAttr(object, names->param_convertors) : NULL;
	if (!convertors)
		PyErr_Clear();
	PyObject *params = PyDict_New(), *name, *text;
	Py_ssize_t pos = 0;
	while (params && PyDict_Next(groups, &pos, &name, &text)) {
		PyObject *value = convert(run, convertors, name, text);
		if (!value || PyDict_SetItem(params, name, value) < 0)
			Py_CLEAR(params);
		Py_XDECREF(value);
	}
	Py_XDECREF(convertors);
	Py_DECREF(groups);
	return params;
}

/* One parameter as its convertor makes it. */
static PyObject *path_value(struct fr_run *run, const struct fr_path_param *param, PyObject *name,
                            struct fr_span span)
{
	PyObject *text = path_str(span), *value = NULL;
	if (!text)
		return NULL;
	switch (param->conv) {
	case FR_CONV_INT:
		value = PyLong_FromUnicodeObject(text, 10);
		break;
	case FR_CONV_FLOAT:
		value = PyFloat_FromString(text);
		break;
	case FR_CONV_UUID: {
		PyObject *object = fr_run_route_object(run);
		PyObject *convertors =
			object ? PyObject_GetAttr(object,
		                                  run->program->state->names.param_convertors)
			       : NULL;
		if (!convertors)
			PyErr_Clear();
		value = convert(run, convertors, name, text);
		Py_XDECREF(convertors);
		break;
	}
	default:
		return text;
	}
	Py_DECREF(text);
	return value;
}

PyObject *fr_run_path_params(struct fr_run *run)
{
	if (run->path_params)
		return run->path_params;
	if (run->match && PyDict_Check(run->match)) {
		PyObject *params =
			PyDict_GetItemWithError(run->match, run->program->state->names.path_params);
		if (!params && PyErr_Occurred())
			return NULL;
		run->path_params = params ? Py_NewRef(params) : PyDict_New();
		return run->path_params;
	}
	if (run->match && run->found.side != FR_NONE32)
		return run->path_params = side_params(run);
	PyObject *params = PyDict_New();
	if (!params || !run->route)
		return run->path_params = params;
	const struct fr_image *image = run->program->image;
	const struct fr_path_param *param = FR_IMAGE_AT(image, run->route->params.off);
	for (uint32_t i = 0; i < run->route->params.count && i < run->found.nparams; i++) {
		PyObject *name = fr_text(fr_str_in(image, param[i].name), param[i].name.len);
		PyObject *value =
			name ? path_value(run, &param[i], name, run->found.params[i]) : NULL;
		int rc = value ? PyDict_SetItem(params, name, value) : -1;
		Py_XDECREF(name);
		Py_XDECREF(value);
		if (rc < 0) {
			Py_DECREF(params);
			return NULL;
		}
	}
	return run->path_params = params;
}

PyObject *fr_run_route_object(struct fr_run *run)
{
	return run->route ? fr_program_object(run->program, run->route->object) : NULL;
}

/* app, router and root_path: what is there before any route is known. */
static int scope_base(struct fr_run *run, PyObject *scope)
{
	struct fr_names *names = &run->program->state->names;
	const struct fr_image *image = run->program->image;
	if (PyDict_SetItem(scope, names->app, run->program->app) < 0)
		return -1;
	if (image->root_path.len) {
		PyObject *root = fr_text(fr_str_in(image, image->root_path), image->root_path.len);
		int rc = root ? PyDict_SetItem(scope, names->root_path, root) : -1;
		Py_XDECREF(root);
		if (rc < 0)
			return -1;
	}
	/* Middleware sees no router: it stands before that, and asks by this whether it does. */
	int has = run->in_middleware ? 1 : PyDict_Contains(scope, names->router);
	if (has == 0) {
		PyObject *router = PyObject_GetAttr(run->program->app, names->router);
		has = router ? PyDict_SetItem(scope, names->router, router) : -1;
		Py_XDECREF(router);
	}
	return has < 0 ? -1 : 0;
}

static int scope_route(struct fr_run *run, PyObject *scope)
{
	struct fr_names *names = &run->program->state->names;
	PyObject *route = run->program->routes[run->found.route],
		 *object = fr_run_route_object(run);
	if (route && PyDict_SetItem(scope, names->route, route) < 0)
		return -1;
	if (route && route != object && run->route->kind == FR_ROUTE_PLAN) {
		/* Of an included route: what it is there. */
		PyObject *before = PyDict_GetItemWithError(scope, names->fastapi);
		PyObject *own = before && PyDict_Check(before) ? PyDict_Copy(before) : PyDict_New();
		int rc = own ? PyDict_SetItem(own, names->effective_route_context, object) : -1;
		if (rc == 0)
			rc = PyDict_SetItem(scope, names->fastapi, own);
		Py_XDECREF(own);
		if (rc < 0)
			return -1;
	}
	if (run->match && PyDict_Check(run->match))
		return PyDict_Update(scope, run->match);
	PyObject *params = fr_run_path_params(run);
	if (!params)
		return -1;
	PyObject *before = PyDict_GetItemWithError(scope, names->path_params);
	if (!before && PyErr_Occurred())
		return -1;
	if (before && PyDict_Check(before) && PyDict_GET_SIZE(before) && before != params) {
		/* Inside a mount: its parameters stay. */
		PyObject *all = PyDict_Copy(before);
		int rc = all && PyDict_Update(all, params) == 0
		                 ? PyDict_SetItem(scope, names->path_params, all)
		                 : -1;
		Py_XDECREF(all);
		if (rc < 0)
			return -1;
	} else if (PyDict_SetItem(scope, names->path_params, params) < 0) {
		return -1;
	}
	for (uint32_t i = run->route->steps.count; i-- > 0;) {
		const struct fr_step *step = &run->steps[i];
		if (step->op == FR_OP_ENDPOINT)
			return PyDict_SetItem(scope, names->endpoint,
			                      fr_program_object(run->program, step->object));
	}
	return 0;
}

PyObject *fr_run_scope(struct fr_run *run)
{
	if (!run->scope) {
		if (!run->in) {
			PyErr_SetString(PyExc_RuntimeError, "the request is over");
			return NULL;
		}
		PyObject *scope = run->in->transport->scope(run->in);
		if (!scope || scope_base(run, scope) < 0) {
			Py_XDECREF(scope);
			return NULL;
		}
		run->scope = scope;
	}
	if (run->route && !run->scope_ready) {
		if (scope_route(run, run->scope) < 0)
			return NULL;
		run->scope_ready = true;
	}
	return run->scope;
}

PyObject *fr_run_request(struct fr_run *run)
{
	if (run->request)
		return run->request;
	struct fr_names *names = &run->program->state->names;
	PyObject *type = FR_GET(run->program->state, request_type);
	PyObject *scope = type ? fr_run_scope(run) : NULL;
	if (!scope)
		return NULL;
	PyObject *receive = run->in->transport->receive(run->in);
	PyObject *send = receive ? run->in->transport->send(run->in) : NULL;
	PyObject *request = NULL;
	if (send)
		request = PyObject_CallFunctionObjArgs(type, scope, receive, send, NULL);
	Py_XDECREF(receive);
	Py_XDECREF(send);
	/* The body was read already: await request.body() gives it again. */
	if (request && run->body && PyBytes_CheckExact(run->body) &&
	    PyObject_SetAttr(request, names->_body, run->body) < 0)
		Py_CLEAR(request);
	if (request && run->json && PyObject_SetAttr(request, names->_json, run->json) < 0)
		Py_CLEAR(request);
	return run->request = request;
}

PyObject *fr_run_response(struct fr_run *run)
{
	if (run->response)
		return run->response;
	struct fr_names *names = &run->program->state->names;
	PyObject *type = FR_GET(run->program->state, response_type);
	PyObject *response = type ? PyObject_CallNoArgs(type) : NULL;
	if (!response)
		return NULL;
	/* Only what the application sets itself counts. */
	PyObject *headers = PyObject_GetAttr(response, names->headers);
	PyObject *key = PyUnicode_FromString("content-length");
	int rc = headers && key ? PyObject_DelItem(headers, key) : -1;
	Py_XDECREF(headers);
	Py_XDECREF(key);
	if (rc < 0 || PyObject_SetAttr(response, names->status_code, Py_None) < 0) {
		Py_DECREF(response);
		return NULL;
	}
	return run->response = response;
}

PyObject *fr_run_background(struct fr_run *run)
{
	if (!run->background) {
		PyObject *type = FR_GET(run->program->state, background_tasks);
		run->background = type ? PyObject_CallNoArgs(type) : NULL;
	}
	return run->background;
}
