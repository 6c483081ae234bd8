#include "net/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

static void on_defer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fr_server *s = FR_CONTAINER_OF(w, struct fr_server, defer);
	struct fr_conn *c, *last = NULL;

	(void)loop;
	(void)revents;
	/* Those that are deferred meanwhile get the next event. */
	for (c = s->deferred; c; c = c->next_deferred)
		last = c;
	while (last && (c = s->deferred)) {
		bool end = c == last;

		fr_conn_undefer(c);
		fr_conn_turn(c);
		if (end)
			break;
	}
	if (s->deferred)
		ev_feed_event(s->loop, &s->defer, EV_CUSTOM);
	if (s->empty_due) {
		fr_drained_fn *on_empty = s->on_empty;

		s->empty_due = false;
		s->on_empty = NULL;
		if (on_empty)
			on_empty(s->on_empty_data); /* may free the server */
	}
}

void fr_server_check_empty(struct fr_server *s)
{
	if (!s->draining || s->empty_due || s->conns.next != &s->conns)
		return;
	s->empty_due = true;
	ev_feed_event(s->loop, &s->defer, EV_CUSTOM);
}

static void set_limits(struct fr_server *s, const struct fr_net_limits *given)
{
	struct fr_net_limits *l = &s->limits;

	*l = *given;
#define DEFAULT(name, value)                                                                       \
	do {                                                                                       \
		if (!(l->name > 0))                                                                \
			l->name = (value);                                                         \
	} while (0)
	DEFAULT(uri, 8192);
	DEFAULT(header_bytes, 65536);
	DEFAULT(headers, 100);
	DEFAULT(body, 16u << 20);
	DEFAULT(chunk_extensions, 16384);
	DEFAULT(trailer_bytes, 16384);
	DEFAULT(write_queue, 262144);
	DEFAULT(connections, 10000);
	DEFAULT(pipeline, 32);
	DEFAULT(accepts, 16);
	DEFAULT(header_timeout, 10.);
	DEFAULT(body_timeout, 60.);
	DEFAULT(idle_timeout, 5.);
	DEFAULT(write_timeout, 30.);
	DEFAULT(linger_timeout, 2.);
	DEFAULT(ws_message, 16u << 20);
	DEFAULT(ws_ping, 20.);
	DEFAULT(ws_close, 5.);
#undef DEFAULT
	s->parse_limits = (struct fr_parse_limits){
		.uri = l->uri,
		.header_bytes = l->header_bytes,
		.headers = l->headers,
		.chunk_extensions = l->chunk_extensions,
		.trailer_bytes = l->trailer_bytes,
	};
}

static enum fr_body_mode buffer_it(void *data, struct fr_exchange *x, size_t *max_body)
{
	(void)data;
	(void)x;
	(void)max_body;
	return FR_BODY_BUFFER;
}

static void ignore_body(void *data, struct fr_exchange *x, const char *p, size_t len, bool last)
{
	(void)data;
	(void)x;
	(void)p;
	(void)len;
	(void)last;
}

static void ignore_drain(void *data, struct fr_exchange *x)
{
	(void)data;
	(void)x;
}

static void ignore_close(void *data, struct fr_exchange *x, bool ok)
{
	(void)data;
	(void)x;
	(void)ok;
}

/* What an application leaves out gets a callback here, so that a request asks for none. */
static void set_app(struct fr_server *s, const struct fr_app *given)
{
	struct fr_app *app = &s->app;

	*app = *given;
	app->on_head = app->on_head ? app->on_head : buffer_it;
	app->on_body = app->on_body ? app->on_body : ignore_body;
	app->on_drain = app->on_drain ? app->on_drain : ignore_drain;
	app->on_close = app->on_close ? app->on_close : ignore_close;
}

struct fr_server *fr_server_new(struct ev_loop *loop, const struct fr_app *app,
                                const struct fr_net_limits *limits)
{
	struct fr_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->cork = malloc(FR_CORK_BYTES);
	if (!s->cork) {
		free(s);
		return NULL;
	}
	s->cork_cap = FR_CORK_BYTES;
	s->loop = loop;
	set_app(s, app);
	s->accepting = true;
	s->conns.prev = s->conns.next = &s->conns;
	s->deferred_end = &s->deferred;
	s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	set_limits(s, limits);
	fr_timers_init(s);
	ev_timer_init(&s->defer, on_defer, 0., 0.);
	ev_set_priority(&s->defer, -1);
	return s;
}

int fr_server_adopt(struct fr_server *s, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in6 v6;
	} peer = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);

	if (getpeername(fd, &peer.any, &len))
		peer.any.sa_family = AF_UNSPEC;
	return fr_conn_open(s, fd, &peer.any, len, NULL);
}

void fr_server_drain(struct fr_server *s, double grace, fr_drained_fn *on_empty, void *data)
{
	struct fr_link *l, *next;

	s->on_empty = on_empty;
	s->on_empty_data = data;
	if (!s->draining)
		fr_listen_rest(s);
	s->draining = true;
	fr_listen_pause(s);
	for (l = s->conns.next; l != &s->conns; l = l->next) {
		struct fr_conn *c = FR_CONTAINER_OF(l, struct fr_conn, all);

		if (!c->dead && c->ws)
			fr_conn_defer(c); /* its turn closes it */
	}
	if (s->timeouts[FR_TIMER_IDLE] <= grace) {
		/* As long as ever: who reuses a connection in time finds it open. */
		fr_server_check_empty(s);
		return;
	}
	s->timeouts[FR_TIMER_IDLE] = grace;
	fr_timers_interval(s);
	for (l = s->conns.next; l != &s->conns; l = next) {
		struct fr_conn *c = FR_CONTAINER_OF(l, struct fr_conn, all);

		next = l->next;
		if (!c->dead && fr_conn_is_idle(c))
			fr_timer_set(s, &c->rtimer, FR_TIMER_IDLE);
	}
	fr_server_check_empty(s);
}

void fr_server_free(struct fr_server *s)
{
	if (!s)
		return;
	s->on_empty = NULL;
	fr_listen_pause(s);
	while (s->conns.next != &s->conns) {
		struct fr_conn *c = FR_CONTAINER_OF(s->conns.next, struct fr_conn, all);

		fr_conn_fail(c);
		fr_conn_turn(c);
	}
	for (size_t i = 0; i < s->nlistening; i++)
		free(s->listening[i]);
	ev_clear_pending(s->loop, &s->defer);
	fr_timers_fini(s);
	fr_blocks_fini(s);
	if (s->reserve_fd >= 0)
		close(s->reserve_fd);
	free(s->cork);
	free(s);
}

const struct fr_net_counters *fr_server_counters(const struct fr_server *s)
{
	return &s->counters;
}
