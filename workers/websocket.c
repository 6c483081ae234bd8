#include "workers/websocket.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "workers/errors.h"
#include "workers/gil.h"
#include "workers/interp.h"
#include "workers/program.h"

/* ---- the queue ---- */

static PyObject *pop(struct fr_websocket *ws)
{
	struct fr_ws_item *m = ws->first;
	PyObject *payload = m->payload;

	ws->first = m->next;
	if (!ws->first)
		ws->end = &ws->first;
	ws->waiting -= m->cost;
	PyMem_Free(m);
	return payload;
}

static void websocket_free(struct fr_request *req)
{
	struct fr_websocket *ws = req->websocket;

	if (!ws)
		return;
	req->websocket = NULL;
	while (ws->first)
		Py_DECREF(pop(ws));
	Py_XDECREF(ws->reason);
	PyMem_Free(ws);
}

void fr_websocket_resume(struct fr_request *req)
{
	if (req->paused && req->x) {
		req->paused = false;
		fr_exchange_resume(req->x);
	}
}

void fr_websocket_count(struct fr_request *req, unsigned status)
{
	fr_wboard_answer(req->sock->board, &req->flight, status);
}

/* ---- net's callbacks ---- */

void fr_websocket_on_message(void *data, struct fr_exchange *x, bool text, const char *p,
                             size_t len)
{
	struct fr_request *req = fr_exchange_data(x);
	struct fr_websocket *ws = req ? req->websocket : NULL;
	struct fr_ws_item *m;

	(void)data;
	if (!ws || ws->ended)
		return; /* nobody is left to read it */
	fr_gil_take();
	m = PyMem_Malloc(sizeof(*m));
	if (m)
		m->payload = text ? PyUnicode_DecodeUTF8(p, (Py_ssize_t)len, NULL)
		                  : PyBytes_FromStringAndSize(p, (Py_ssize_t)len);
	if (!m || !m->payload) {
		PyErr_Clear();
		PyMem_Free(m);
		fr_log(FR_ERROR, "out of memory: a WebSocket is dropped");
		fr_exchange_abort(x);
		return;
	}
	m->next = NULL;
	m->cost = len + FR_WS_COST;
	*ws->end = m;
	ws->end = &m->next;
	ws->waiting += m->cost;
	if (ws->waiting > FR_SOCKET_HIGH && !req->paused) {
		req->paused = true;
		fr_exchange_pause(x);
	}
	fr_bridge_wake_receive(req);
}

void fr_websocket_on_end(void *data, struct fr_exchange *x, unsigned code, struct fr_bytes reason)
{
	struct fr_request *req = fr_exchange_data(x);
	struct fr_websocket *ws = req ? req->websocket : NULL;

	(void)data;
	if (!ws || ws->ended)
		return;
	fr_gil_take();
	ws->ended = true;
	ws->code = code;
	ws->reason = PyUnicode_DecodeUTF8(reason.p ? reason.p : "", (Py_ssize_t)reason.len, NULL);
	PyErr_Clear();
	if (ws->first || ws->at_work)
		fr_exchange_ws_hold(x); /* what came before may be answered yet */
	fr_bridge_wake_receive(req);
	fr_bridge_wake_send(req);
}

/* ---- receive ---- */

static PyObject *disconnected(const struct fr_bridge_names *n, unsigned code, PyObject *reason)
{
	PyObject *message = PyDict_New();
	PyObject *number = PyLong_FromUnsignedLong(code);

	if (!message || !number || PyDict_SetItem(message, n->type, n->ws_disconnect) < 0 ||
	    PyDict_SetItem(message, n->code, number) < 0 ||
	    (reason && PyDict_SetItem(message, n->reason, reason) < 0))
		Py_CLEAR(message);
	Py_XDECREF(number);
	return message;
}

static PyObject *next_message(struct fr_bridge *b, struct fr_websocket *ws)
{
	const struct fr_bridge_names *n = b->sock->names;
	PyObject *payload = pop(ws), *message = PyDict_New();

	ws->at_work = true;
	if (ws->ended && b->req->x)
		fr_exchange_ws_hold(b->req->x);
	if (ws->waiting <= FR_SOCKET_HIGH / 2)
		fr_websocket_resume(b->req);
	if (message &&
	    (PyDict_SetItem(message, n->type, n->ws_receive) < 0 ||
	     PyDict_SetItem(message, PyUnicode_Check(payload) ? n->text : n->bytes, payload) < 0))
		Py_CLEAR(message);
	Py_DECREF(payload);
	return message;
}

int fr_websocket_receive(struct fr_bridge *b, PyObject **ret)
{
	const struct fr_bridge_names *n = b->sock->names;
	struct fr_request *req = b->req;
	struct fr_websocket *ws = req ? req->websocket : NULL;

	if (!ws) {
		*ret = disconnected(n, 1006, NULL);
	} else if (!ws->connect_told) {
		ws->connect_told = true;
		*ret = PyDict_New();
		if (*ret && PyDict_SetItem(*ret, n->type, n->ws_connect) < 0)
			Py_CLEAR(*ret);
	} else if (ws->closed) {
		*ret = disconnected(n, ws->accepted ? 1005 : 1006, NULL);
	} else if (ws->first) {
		*ret = next_message(b, ws);
	} else if (ws->ended || !req->x || (req->left && !ws->accepted)) {
		ws->end_told = true;
		if (req->x)
			fr_exchange_ws_release(req->x);
		*ret = disconnected(n, ws->ended ? ws->code : 1006, ws->reason);
	} else {
		ws->at_work = false;
		return 0;
	}
	return *ret ? 1 : -1;
}

/* ---- scope ---- */

/* The values of sec-websocket-protocol, taken apart at commas. */
static PyObject *subprotocols(const struct fr_input *in)
{
	static const char name[] = "sec-websocket-protocol";
	PyObject *list = PyList_New(0);

	for (size_t i = 0; list && i < in->nheaders; i++) {
		const struct fr_header *h = &in->headers[i];
		const char *p = h->value.p, *end = p + h->value.len;

		if (h->name.len != sizeof(name) - 1 || memcmp(h->name.p, name, h->name.len))
			continue;
		while (list && p <= end) {
			const char *comma = memchr(p, ',', (size_t)(end - p)),
				   *next = comma ? comma : end;
			const char *from = p, *to = next;
			PyObject *token;

			p = next + 1;
			while (from < to && (*from == ' ' || *from == '\t'))
				from++;
			while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
				to--;
			if (from == to)
				continue;
			token = PyUnicode_DecodeLatin1(from, to - from, NULL);
			if (!token || PyList_Append(list, token) < 0)
				Py_CLEAR(list);
			Py_XDECREF(token);
		}
	}
	return list;
}

int fr_websocket_fill_scope(PyObject *scope, struct fr_request *req)
{
	const struct fr_bridge_names *n = req->sock->names;
	PyObject *protocols = subprotocols(&req->in);
	PyObject *extensions = Py_BuildValue("{s{}}", "websocket.http.response");
	int rc = protocols && extensions &&
	                         PyDict_SetItem(scope, n->subprotocols, protocols) == 0 &&
	                         PyDict_SetItem(scope, n->extensions, extensions) == 0
	                 ? 0
	                 : -1;

	Py_XDECREF(protocols);
	Py_XDECREF(extensions);
	return rc;
}

/* ---- the route ---- */

/* Which route it is for is the board's to know; the application's own router decides. */
struct asked {
	struct fr_program *program;
	PyObject *scope;
};

static int ask(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	struct asked *asked = arg;
	struct fr_state *state = asked->program->state;
	PyObject *full = FR_GET(state, match_full), *none = full ? FR_GET(state, match_none) : NULL;
	PyObject *route = fr_program_object(asked->program, side->object), *answer;
	int rc = -1;

	(void)path;
	(void)len;
	answer = none ? PyObject_CallMethodOneArg(route, state->names.matches, asked->scope) : NULL;
	if (answer && PyTuple_Check(answer) && PyTuple_GET_SIZE(answer) == 2) {
		PyObject *match = PyTuple_GET_ITEM(answer, 0);

		rc = match == full   ? FR_MATCH_FULL
		     : match == none ? FR_MATCH_NONE
		                     : FR_MATCH_METHOD;
	}
	Py_XDECREF(answer);
	return rc;
}

/* What the application will have put into the scope when it asks its routes. */
static PyObject *scope_for_routes(struct fr_request *req, const struct fr_program *program)
{
	const struct fr_names *names = &program->state->names;
	const struct fr_image *image = program->image;
	PyObject *own = fr_bridge_scope(&req->in), *scope = own ? PyDict_Copy(own) : NULL;
	PyObject *root = fr_text(fr_str_in(image, image->root_path), image->root_path.len);

	if (scope && (!root || PyDict_SetItem(scope, names->app, program->app) < 0 ||
	              (image->root_path.len && PyDict_SetItem(scope, names->root_path, root) < 0)))
		Py_CLEAR(scope);
	Py_XDECREF(root);
	Py_XDECREF(own);
	return scope;
}

/* FR_NONE32 also if it can't be told: then the application itself will say why. */
static uint32_t route_of(struct fr_request *req)
{
	struct fr_program *sealed = req->sock->program;
	struct fr_program *program = fr_program_of(sealed->state, sealed->app);
	struct asked asked = { program, program ? scope_for_routes(req, program) : NULL };
	uint32_t route = FR_NONE32;

	if (asked.scope && fr_route_find_socket(program->image, req->in.path.p, req->in.path.len,
	                                        ask, &asked, &route) < 0)
		route = FR_NONE32;
	route = fr_wboard_number(req->sock->board, program, route);
	PyErr_Clear();
	Py_XDECREF(asked.scope);
	fr_program_unref(program);
	return route;
}

/* ---- the run ---- */

/* What the socket still needs when the application has ended. */
static void close_socket(struct fr_request *req, const struct fr_websocket *ws, bool failed)
{
	static const char body[] = "Internal Server Error";
	struct fr_bytes none = { NULL, 0 }, plain = { "text/plain; charset=utf-8", 25 };

	fr_websocket_resume(req);
	if (ws->accepted) {
		if (!failed && ws->ended)
			fr_exchange_ws_release(req->x);
		else if (!ws->closed)
			fr_exchange_ws_close(req->x, failed ? 1011 : 1000, none);
	} else if (fr_exchange_started(req->x)) {
		if (!ws->closed)
			fr_exchange_abort(req->x);
	} else {
		fr_websocket_count(req, 500);
		if (fr_exchange_reply(req->x, 500, plain, NULL, 0, body, sizeof(body) - 1, NULL,
		                      NULL) < 0)
			fr_exchange_abort(req->x);
	}
}

/* The exception of the run: into the log, but for that of a client that left. */
static void log_failure(struct fr_request *req, PyObject *exc)
{
	const struct fr_input *in = &req->in;
	const char *name = strrchr(Py_TYPE(exc)->tp_name, '.');
	PyObject *text;

	name = name ? name + 1 : Py_TYPE(exc)->tp_name;
	if ((req->websocket->ended || !req->x) && !strcmp(name, "WebSocketDisconnect")) {
		fr_log(FR_DEBUG, "WebSocket %.*s: the client left", (int)in->full_path.len,
		       in->full_path.p);
		return;
	}
	fr_exc_set(Py_NewRef(exc));
	text = fr_interp_traceback();
	if (PyBytes_Check(text)) {
		const char *p = PyBytes_AS_STRING(text);
		size_t len = (size_t)PyBytes_GET_SIZE(text);

		fr_log_text(FR_ERROR, p, len, "WebSocket %.*s failed", (int)in->full_path.len,
		            in->full_path.p);
		fr_error_tell(req->sock->program, req->websocket->route, in, exc, p, len);
	}
	Py_DECREF(text);
}

static void run_over(struct fr_request *req, bool failed)
{
	if (!failed && !req->websocket->accepted && req->x && !fr_exchange_started(req->x))
		fr_log(FR_ERROR, "WebSocket %.*s: neither accepted nor refused: 500",
		       (int)req->in.full_path.len, req->in.full_path.p);
	if (req->x)
		close_socket(req, req->websocket, failed);
	fr_request_end(req);
	websocket_free(req);
	Py_CLEAR(req->run);
	Py_CLEAR(req->task);
	fr_request_unref(req);
}

/* The task's callback; self is the bridge. */
static PyObject *on_done(PyObject *self, PyObject *task)
{
	struct fr_request *req = ((struct fr_bridge *)self)->req;
	PyObject *exc;
	bool failed = true;

	if (!req)
		Py_RETURN_NONE;
	exc = PyObject_CallMethod(task, "exception", NULL);
	if (!exc)
		PyErr_Clear(); /* cancelled */
	else if (exc == Py_None)
		failed = false;
	else
		log_failure(req, exc);
	Py_XDECREF(exc);
	run_over(req, failed);
	Py_RETURN_NONE;
}

static PyMethodDef done_def = { "done", on_done, METH_O, NULL };

static PyObject *call_app(struct fr_request *req)
{
	PyObject *scope = fr_bridge_scope(&req->in);
	PyObject *receive = scope ? fr_bridge_receive(&req->in) : NULL;
	PyObject *send = receive ? fr_bridge_send(&req->in) : NULL;
	PyObject *coro = send ? PyObject_CallFunctionObjArgs(req->sock->program->app, scope,
	                                                     receive, send, NULL)
	                      : NULL;

	Py_XDECREF(scope);
	Py_XDECREF(receive);
	Py_XDECREF(send);
	return coro;
}

void fr_websocket_start(struct fr_request *req)
{
	struct fr_websocket *ws;
	struct fr_bridge *b;
	PyObject *done = NULL, *added = NULL;

	fr_gil_take();
	ws = req->websocket = PyMem_Calloc(1, sizeof(*ws));
	b = ws ? fr_bridge_of(&req->in) : NULL;
	if (!b) {
		PyErr_Clear();
		websocket_free(req);
		fr_wboard_end(req->sock->board, &req->flight);
		fr_log(FR_ERROR, "out of memory: a WebSocket is dropped");
		fr_exchange_abort(req->x);
		return;
	}
	ws->end = &ws->first;
	b->websocket = true;
	ws->route = req->sock->board ? route_of(req) : FR_NONE32;
	fr_wboard_route(req->sock->board, &req->flight, ws->route);
	fr_request_begin(req);
	req->run = call_app(req);
	if (req->run)
		req->task = fr_loop_start_task(req->sock->loop, req->run, NULL);
	if (req->task)
		done = PyCFunction_New(&done_def, (PyObject *)b);
	if (done)
		added = PyObject_CallMethod(req->task, "add_done_callback", "O", done);
	Py_XDECREF(done);
	Py_XDECREF(added);
	if (!added) {
		PyErr_WriteUnraisable(req->sock->program->app);
		run_over(req, true);
	}
}
