#include "workers/socket.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/log.h"
#include "workers/gil.h"
#include "workers/program.h"
#include "workers/websocket.h"

/* net's fields and the executor's headers are the same two spans. */
_Static_assert(sizeof(struct fr_field) == sizeof(struct fr_header) &&
                       offsetof(struct fr_field, value) == offsetof(struct fr_header, value) &&
                       sizeof(struct fr_bytes) == sizeof(struct fr_span) &&
                       offsetof(struct fr_bytes, len) == offsetof(struct fr_span, len),
               "a field is a header");

static const struct fr_transport transport;
static void socket_done(struct fr_input *in);

static struct fr_request *of(struct fr_input *in)
{
	return (struct fr_request *)in;
}

void fr_request_end(struct fr_request *req)
{
	req->over = true;
	fr_request_unlist(req);
	fr_bridge_detach(req);
	if (!req->x)
		fr_wboard_end(req->sock->board, &req->flight); /* else with the exchange */
}

/* ---- what the executor reads ---- */

static struct fr_span span_copy(char **at, struct fr_bytes bytes)
{
	struct fr_span span = { *at, bytes.len };

	memcpy(*at, bytes.p, bytes.len);
	*at += bytes.len;
	return span;
}

/*
 * The head outlives its exchange when the client leaves early, and runs keep
 * spans of it: so it is copied, into memory that stays with the request.
 */
static int copy_head(struct fr_request *req, const struct fr_head *head)
{
	size_t table = head->nfields * sizeof(struct fr_header);
	size_t need =
		table + head->method.len + head->path.len + head->raw_path.len + head->query.len;
	struct fr_header *headers;
	char *at;

	for (size_t i = 0; i < head->nfields; i++)
		need += head->fields[i].name.len + head->fields[i].value.len;
	if (need > req->head_cap) {
		char *bigger = realloc(req->head, need + 512);

		if (!bigger)
			return -1;
		req->head = bigger;
		req->head_cap = need + 512;
	}
	headers = (struct fr_header *)req->head;
	at = req->head + table;
	req->in.method_name = span_copy(&at, head->method);
	req->in.full_path = span_copy(&at, head->path);
	req->raw_path = span_copy(&at, head->raw_path);
	req->in.query = span_copy(&at, head->query);
	for (size_t i = 0; i < head->nfields; i++) {
		headers[i].name = span_copy(&at, head->fields[i].name);
		headers[i].value = span_copy(&at, head->fields[i].value);
	}
	req->in.headers = headers;
	req->in.nheaders = head->nfields;
	req->major = head->major;
	req->minor = head->minor;
	return 0;
}

static int fill_input(struct fr_request *req)
{
	struct fr_socket *s = req->sock;
	struct fr_input *in = &req->in;

	if (copy_head(req, fr_exchange_head(req->x)) < 0)
		return -1;
	in->transport = &transport;
	in->method = fr_exchange_is_websocket(req->x)
	                     ? FR_WEBSOCKET
	                     : fr_method_bit(in->method_name.p, in->method_name.len);
	in->path = fr_image_below(s->program->image, in->full_path);
	in->id = ++s->next_id;
	in->toplevel = true;
	in->foreign = false;
	in->routed = false;
	fr_wboard_begin(s->board, &req->flight, in->id, in->method);
	return 0;
}

/* ---- net's callbacks ---- */

static bool wants_stream(const struct fr_image *image, const struct fr_route *route)
{
	const struct fr_step *steps = FR_IMAGE_AT(image, route->steps.off);

	if (route->kind == FR_ROUTE_ASGI)
		return true;
	if (route->body != FR_BODY_NONE)
		return false;
	for (uint32_t i = 0; i < route->steps.count; i++)
		if (steps[i].op == FR_OP_SPECIAL && steps[i].in <= FR_SPECIAL_CONNECTION)
			return true; /* it may read request.stream() */
	return false;
}

/* How the body of a request that has one is to arrive; may lower its limit. */
static enum fr_body_mode choose_mode(const struct fr_image *image, const struct fr_head *head,
                                     size_t *max_body)
{
	struct fr_span method = { head->method.p, head->method.len };
	struct fr_span path =
		fr_image_below(image, (struct fr_span){ head->path.p, head->path.len });
	const struct fr_route *route;
	struct fr_match match;

	if (fr_route_find(image, fr_method_bit(method.p, method.len), method, path.p, path.len,
	                  NULL, NULL, &match) < 0 ||
	    match.kind != FR_MATCH_FULL)
		return FR_BODY_STREAM;
	route = (const struct fr_route *)FR_IMAGE_AT(image, image->routes.off) + match.route;
	/* What is behind an ASGI route may have a limit of its own: the run sees to it. */
	if (route->kind != FR_ROUTE_ASGI && route->max_body != FR_NONE32 &&
	    route->max_body < *max_body)
		*max_body = route->max_body;
	if (image->app_flags & FR_APP_WRAPPED || wants_stream(image, route))
		return FR_BODY_STREAM;
	return FR_BODY_BUFFER;
}

static enum fr_body_mode on_head(void *data, struct fr_exchange *x, size_t *max_body)
{
	struct fr_socket *s = data;
	const struct fr_head *head = fr_exchange_head(x);
	struct fr_request *req = fr_request_new(s, x);

	if (!req || !head->has_body)
		return FR_BODY_BUFFER;
	if (choose_mode(s->program->image, head, max_body) == FR_BODY_BUFFER)
		return FR_BODY_BUFFER;
	req->stream = true;
	return FR_BODY_STREAM;
}

/* The run has to wait, or wants a task from the first step on. */
static void start_task(struct fr_request *req)
{
	fr_request_list(req);
	req->task = fr_loop_start_task(req->sock->loop, req->run, NULL);
	if (!req->task)
		PyErr_WriteUnraisable(req->run);
}

static void start_run(struct fr_request *req)
{
	struct fr_program *sealed = req->sock->program;
	struct fr_program *program = fr_program_of(sealed->state, sealed->app);
	struct fr_run *run;
	bool needs_task;

	req->run = program ? fr_run_new(program, &req->in) : NULL;
	if (!req->run) {
		PyErr_WriteUnraisable(sealed->app);
		fr_program_unref(program);
		return;
	}
	run = (struct fr_run *)req->run;
	needs_task = fr_run_needs_task(run);
	fr_wboard_route(req->sock->board, &req->flight,
	                fr_wboard_number(req->sock->board, program, fr_run_route(run)));
	fr_program_unref(program);
	if (needs_task) {
		start_task(req);
		return;
	}
	switch (fr_run_start(run)) {
	case FR_RUN_DONE:
		break;
	case FR_RUN_WAITS:
		start_task(req);
		break;
	case FR_RUN_FAILED:
		PyErr_Clear(); /* the executor has logged it */
		break;
	}
}

static void on_request(void *data, struct fr_exchange *x)
{
	struct fr_request *req = fr_exchange_data(x);

	(void)data;
	if (!req || fill_input(req) < 0) {
		fr_log(FR_ERROR, "out of memory: a request is dropped");
		fr_exchange_abort(x);
		return;
	}
	req->body_ended = !req->stream;
	if (fr_exchange_is_websocket(x)) {
		fr_websocket_start(req);
		return;
	}
	fr_gil_take();
	req->refs += 2; /* the run's, until done(); ours */
	req->starting = true;
	start_run(req);
	req->starting = false;
	if (!req->task)
		socket_done(&req->in); /* if it never came to its end */
	if (req->over) {
		Py_CLEAR(req->run);
		Py_CLEAR(req->task);
	}
	fr_request_unref(req);
}

static int body_append(struct fr_request *req, const char *p, size_t len)
{
	if (req->body_len + len > req->body_cap) {
		size_t cap = (req->body_len + len) * 2;
		char *bigger = realloc(req->body, cap);

		if (!bigger)
			return -1;
		req->body = bigger;
		req->body_cap = cap;
	}
	if (len > 0)
		memcpy(req->body + req->body_len, p, len);
	req->body_len += len;
	return 0;
}

/* Ends the wait of body(); wants the GIL. */
static void wake_body(struct fr_request *req)
{
	PyObject *waiter = req->body_waiter;

	req->body_waiter = NULL;
	if (!waiter)
		return;
	fr_bridge_wake(waiter);
	Py_DECREF(waiter);
}

static void on_body(void *data, struct fr_exchange *x, const char *p, size_t len, bool last)
{
	struct fr_request *req = fr_exchange_data(x);

	(void)data;
	if (!req || req->over)
		return; /* nobody is left to read it */
	if (body_append(req, p, len) < 0) {
		fr_log(FR_ERROR, "out of memory: a request's body is dropped");
		fr_exchange_abort(x);
		return;
	}
	req->body_ended = last;
	/* body() takes the whole, within net's limit; receive() takes pieces. */
	if (!last && req->body_len > FR_SOCKET_HIGH && !req->body_waiter && !req->paused) {
		req->paused = true;
		fr_exchange_pause(x);
	}
	if ((last && req->body_waiter) || req->bridge) {
		fr_gil_take();
		if (last)
			wake_body(req);
		fr_bridge_wake_receive(req);
	}
}

static void on_drain(void *data, struct fr_exchange *x)
{
	struct fr_request *req = fr_exchange_data(x);

	(void)data;
	if (req && req->bridge) {
		fr_gil_take();
		fr_bridge_wake_send(req);
	}
}

/*
 * The client sends no more.  It may still read, so answers are written on;
 * but whoever waits for it to leave is told, as it does nothing else mostly.
 */
static void on_half_close(void *data, struct fr_exchange *x)
{
	struct fr_request *req = fr_exchange_data(x);

	(void)data;
	if (!req || req->over)
		return;
	req->left = true;
	if (req->bridge) {
		fr_gil_take();
		fr_bridge_wake_receive(req);
	}
}

/* The client left while the run goes on: what it still may read is copied. */
static void on_left(struct fr_request *req, struct fr_exchange *x)
{
	if (!req->stream) {
		struct fr_bytes body = fr_exchange_body(x);

		if (body_append(req, body.p, body.len) < 0)
			fr_log(FR_ERROR, "out of memory: a request's body is dropped");
	}
	req->x = NULL;
	fr_gil_take();
	wake_body(req);
	fr_bridge_wake_receive(req);
	fr_bridge_wake_send(req);
}

static void on_close(void *data, struct fr_exchange *x, bool ok)
{
	struct fr_request *req = fr_exchange_data(x);

	(void)data;
	(void)ok;
	if (!req)
		return;
	fr_exchange_set_data(x, NULL);
	if (req->over)
		fr_wboard_land(req->sock->board, &req->flight);
	else if (req->run)
		on_left(req, x);
	req->x = NULL;
	fr_request_unref(req);
}

static void on_flush(void *data)
{
	struct fr_socket *s = data;

	fr_wboard_flush(s->board);
}

/* ---- the executor's callbacks ---- */

static int socket_body(struct fr_input *in, struct fr_span *ret, PyObject **ret_await)
{
	struct fr_request *req = of(in);

	if (!req->stream && req->x) {
		struct fr_bytes body = fr_exchange_body(req->x);

		*ret = (struct fr_span){ body.p, body.len };
		return 1;
	}
	if (req->body_ended) {
		*ret = (struct fr_span){ req->body_len ? req->body : "", req->body_len };
		return 1;
	}
	if (!req->x) {
		PyObject *type = FR_GET(req->sock->program->state, client_disconnect);

		if (type)
			PyErr_SetNone(type);
		return -1;
	}
	if (!req->body_waiter) {
		req->body_waiter =
			PyObject_CallMethod(req->sock->loop->loop, "create_future", NULL);
		if (!req->body_waiter)
			return -1;
		if (req->paused) {
			req->paused = false;
			fr_exchange_resume(req->x);
		}
	}
	*ret_await = Py_NewRef(req->body_waiter);
	return 0;
}

static void release_body(void *owner)
{
	fr_gil_decref(owner);
}

int fr_request_write(struct fr_request *req, PyObject *body, bool last)
{
	Py_ssize_t len = PyBytes_GET_SIZE(body);

	if (last)
		req->completed = true;
	/* Before the client can have read it, so that who asks then finds it counted. */
	if (last)
		fr_wboard_answer(req->sock->board, &req->flight, req->status);
	return fr_exchange_write(req->x, PyBytes_AS_STRING(body), (size_t)len, last, release_body,
	                         Py_NewRef(body));
}

void fr_request_refused(unsigned status)
{
	if (status < 200 || status > 999)
		PyErr_Format(PyExc_RuntimeError, "Invalid HTTP status: %u", status);
	else
		PyErr_SetString(PyExc_RuntimeError, "Invalid HTTP header name or value.");
}

/* Whether a field announces another length than the body's: -1 and an exception. */
static int check_length(const struct fr_request *req, unsigned status,
                        const struct fr_header *fields, size_t nfields, size_t len)
{
	/* As Starlette, 205 announces what it doesn't send. */
	if (req->in.method == FR_HEAD || status == 204 || status == 205 || status == 304)
		return 0;
	for (size_t i = 0; i < nfields; i++) {
		struct fr_span name = fields[i].name, value = fields[i].value;
		uint64_t announced = 0;
		size_t at = 0;

		if (name.len != 14 || strncasecmp(name.p, "content-length", 14) != 0)
			continue;
		while (at < value.len && at < 18 && value.p[at] >= '0' && value.p[at] <= '9')
			announced = announced * 10 + (uint64_t)(value.p[at++] - '0');
		if (at < value.len || announced == len)
			continue; /* what is no number is net's to refuse */
		PyErr_Format(PyExc_RuntimeError, "Response content %s than Content-Length",
		             len < announced ? "shorter" : "longer");
		return -1;
	}
	return 0;
}

/* The executor's whole answer; all of it is queued, so nothing is to be waited for. */
static int socket_reply(struct fr_input *in, unsigned status, struct fr_span content_type,
                        const struct fr_header *fields, size_t nfields, PyObject *body,
                        PyObject **ret_await)
{
	struct fr_request *req = of(in);
	const struct fr_field *extra = (const struct fr_field *)fields;
	int rc;

	(void)ret_await;
	if (!req->x || req->completed)
		return 1;
	if (!content_type.p &&
	    check_length(req, status, fields, nfields, (size_t)PyBytes_GET_SIZE(body)) < 0)
		return -1;
	req->status = status;
	if (content_type.p) {
		fr_wboard_answer(req->sock->board, &req->flight, status);
		rc = fr_exchange_reply(
			req->x, status, (struct fr_bytes){ content_type.p, content_type.len },
			extra, nfields, PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body),
			release_body, Py_NewRef(body));
	} else {
		rc = fr_exchange_start(req->x, status, extra, nfields, FR_FRAMING_LENGTH);
		if (rc == 0)
			rc = fr_request_write(req, body, true);
	}
	if (rc == FR_EINVAL) {
		fr_request_refused(status);
		return -1;
	}
	if (rc == FR_ENOMEM) {
		PyErr_NoMemory();
		return -1;
	}
	req->completed =
		true; /* any other failure: the client left, which is no error of the run */
	if (req->bridge)
		fr_bridge_wake_receive(req);
	return 1;
}

static bool socket_started(struct fr_input *in)
{
	struct fr_request *req = of(in);

	return !req->x || fr_exchange_started(req->x);
}

/* The run ended without a whole answer. */
static void end_answer(struct fr_request *req)
{
	static const char body[] = "Internal Server Error";
	const struct fr_input *in = &req->in;
	bool begun = fr_exchange_started(req->x);

	req->completed = true;
	if (req->left) {
		/* It was told so, and took the client for gone, as that mostly is. */
		fr_log(FR_DEBUG, "%.*s %.*s: the client left, the answer was not %s",
		       (int)in->method_name.len, in->method_name.p, (int)in->full_path.len,
		       in->full_path.p, begun ? "ended" : "begun");
		fr_exchange_abort(req->x);
		return;
	}
	fr_log(FR_ERROR, "%.*s %.*s: the answer was %s", (int)in->method_name.len,
	       in->method_name.p, (int)in->full_path.len, in->full_path.p,
	       begun ? "not ended: the connection is closed" : "not begun: 500");
	if (!begun)
		fr_wboard_answer(req->sock->board, &req->flight, 500);
	/* One that was begun can't be mended; without any the client would wait. */
	if (begun ||
	    fr_exchange_reply(req->x, 500, (struct fr_bytes){ "text/plain; charset=utf-8", 25 },
	                      NULL, 0, body, sizeof(body) - 1, NULL, NULL) < 0)
		fr_exchange_abort(req->x);
}

static void socket_done(struct fr_input *in)
{
	struct fr_request *req = of(in);

	if (req->over)
		return;
	req->over = true;
	fr_request_unlist(req);
	fr_bridge_detach(req);
	Py_CLEAR(req->body_waiter);
	if (req->x && !req->completed)
		end_answer(req);
	else if (req->x && req->paused)
		fr_exchange_resume(req->x);
	if (!req->x)
		fr_wboard_end(req->sock->board, &req->flight);
	if (!req->starting) {
		Py_CLEAR(req->run);
		Py_CLEAR(req->task);
	}
	fr_request_unref(req);
}

static const struct fr_transport transport = {
	.body = socket_body,
	.reply = socket_reply,
	.scope = fr_bridge_scope,
	.receive = fr_bridge_receive,
	.send = fr_bridge_send,
	.started = socket_started,
	.done = socket_done,
};

/* ---- the worker's side ---- */

int fr_socket_init(struct fr_socket *s, struct fr_loop *loop, struct fr_program *program,
                   PyObject *lifespan_state)
{
	*s = (struct fr_socket){
		.app = { .data = s,
		         .on_head = on_head,
		         .on_request = on_request,
		         .on_body = on_body,
		         .on_drain = on_drain,
		         .on_half_close = on_half_close,
		         .on_ws_message = fr_websocket_on_message,
		         .on_ws_end = fr_websocket_on_end,
		         .on_close = on_close,
		         .on_flush = on_flush },
		.loop = loop,
		.program = fr_program_ref(program),
		.lifespan_state = Py_NewRef(lifespan_state),
	};
	return fr_bridge_init(s);
}

void fr_socket_cancel(struct fr_socket *s)
{
	for (struct fr_request *req = s->live, *next; req; req = next) {
		PyObject *done;

		next = req->next;
		done = req->task ? PyObject_CallMethod(req->task, "cancel", NULL) : NULL;
		if (!done)
			PyErr_Clear();
		Py_XDECREF(done);
	}
}

void fr_socket_fini(struct fr_socket *s)
{
	while (s->pool) {
		struct fr_request *req = s->pool;

		s->pool = req->next;
		fr_request_free(req);
	}
	fr_bridge_fini(s);
	if (s->program)
		fr_program_unref(s->program);
	s->program = NULL;
	Py_CLEAR(s->lifespan_state);
}
