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

void fr_net_limits_init(struct fr_net_limits *ret)
{
	*ret = (struct fr_net_limits){
		.uri = 8192,
		.header_bytes = 65536,
		.headers = 100,
		.body = 16u << 20,
		.chunk_extensions = 16384,
		.trailer_bytes = 16384,
		.write_queue = 262144,
		.connections = 10000,
		.pipeline = 32,
		.accepts = 16,
		.header_timeout = 10,
		.body_timeout = 60,
		.idle_timeout = 5,
		.write_timeout = 30,
		.linger_timeout = 2,
		.ws_message = 16u << 20,
		.ws_ping = 20,
		.ws_close = 5,
		.ws_hold = 1,
	};
}

static void set_limits(struct fr_server *s, const struct fr_net_limits *given)
{
	s->limits = *given;
	s->parse_limits = (struct fr_parse_limits){
		.uri = given->uri,
		.header_bytes = given->header_bytes,
		.headers = given->headers,
		.chunk_extensions = given->chunk_extensions,
		.trailer_bytes = given->trailer_bytes,
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

static void ignore_flush(void *data)
{
	(void)data;
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
	app->on_flush = app->on_flush ? app->on_flush : ignore_flush;
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
	s->counters = &s->own_counters;
	set_app(s, app);
	s->conns.prev = s->conns.next = &s->conns;
	s->deferred_end = &s->deferred;
	set_limits(s, limits);
	fr_listen_init(s);
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
	fr_listen_fini(s);
	ev_clear_pending(s->loop, &s->defer);
	fr_timers_fini(s);
	fr_blocks_fini(s);
	free(s->cork);
	free(s);
}

void fr_server_count_in(struct fr_server *s, struct fr_traffic *there)
{
	s->counters = there;
}

const struct fr_traffic *fr_server_counters(const struct fr_server *s)
{
	return s->counters;
}
