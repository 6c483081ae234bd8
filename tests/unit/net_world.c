#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/net_world.h"

/* The client */

static void receive(struct client *c, size_t until)
{
	while (c->len < until) {
		ssize_t n = recv(c->fd, c->out + c->len, until - c->len, 0);

		if (n <= 0) {
			c->eof = n == 0;
			c->reset = n < 0 && errno == ECONNRESET;
			return;
		}
		c->len += (size_t)n;
	}
}

static void say(struct client *c, const char *p, size_t len, size_t step)
{
	while (len) {
		size_t part = len < step ? len : step;
		ssize_t n = send(c->fd, p, part, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		len -= (size_t)n;
		if (step == 1)
			usleep(200);
	}
}

static void *play_acts(void *arg)
{
	struct client *c = arg;
	struct linger hard = { 1, 0 };

	if (c->acts->kind != SEND)
		sem_post(&c->begun);
	for (const struct act *a = c->acts; a->kind != END; a++) {
		switch (a->kind) {
		case SEND:
			say(c, a->text, a->n, SIZE_MAX);
			if (a == c->acts)
				sem_post(&c->begun);
			break;
		case SEND_BYTES:
			say(c, a->text, a->n, 1);
			break;
		case SEND_MANY:
			for (size_t i = 0; i < a->n; i++)
				say(c, a->text, strlen(a->text), SIZE_MAX);
			break;
		case PAUSE:
			usleep((useconds_t)a->n * 1000);
			break;
		case GIVEN_UP:
			for (int i = 0; i < 60000 && !atomic_load(c->closed_bad); i++)
				usleep(1000);
			break;
		case SHUT:
			shutdown(c->fd, SHUT_WR);
			break;
		case RESET:
			setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
			close(c->fd);
			c->fd = -1;
			break;
		case CLOSE:
			close(c->fd);
			c->fd = -1;
			break;
		case READ_ALL:
			receive(c, OUT_BYTES);
			break;
		case READ_SOME:
			receive(c, c->len + a->n);
			break;
		case END:
			break;
		}
	}
	c->out[c->len] = 0;
	ev_async_send(c->loop, c->done);
	return NULL;
}

/* The application */

struct later {
	ev_timer timer;
	struct fr_exchange *x;
	struct world *w;
};

static const struct fr_bytes plain = { "text/plain", 10 };

static bool is(struct fr_bytes b, const char *text)
{
	return b.len == strlen(text) && !memcmp(b.p, text, b.len);
}

static void release(void *owner)
{
	struct world *w = owner;

	w->released++;
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct later *l = (struct later *)t;

	(void)loop;
	(void)revents;
	if (is(fr_exchange_head(l->x)->path, "/resumed")) {
		fr_exchange_resume(l->x);
		if (fr_exchange_start(l->x, 200, NULL, 0, FR_FRAMING_CHUNKED))
			fr_exchange_abort(l->x);
	} else if (fr_exchange_reply(l->x, 200, plain, NULL, 0, "later", 5, NULL, NULL)) {
		fr_exchange_abort(l->x);
	}
}

static void start_later(struct world *w, struct fr_exchange *x)
{
	struct later *l = calloc(1, sizeof(*l));

	l->x = x;
	l->w = w;
	fr_exchange_set_data(x, l);
	ev_timer_init(&l->timer, on_timer, 0.02, 0.);
	ev_timer_start(w->loop, &l->timer);
}

static char filler[65536];

static void produce(struct world *w, struct fr_exchange *x)
{
	int r = 0;

	while (!r && w->produced < (8u << 20)) {
		w->produced += sizeof(filler);
		w->since_drain += sizeof(filler);
		w->given++;
		r = fr_exchange_write(x, filler, sizeof(filler), w->produced == (8u << 20), release,
		                      w);
	}
	if (w->since_drain > w->most_unread)
		w->most_unread = w->since_drain;
	w->since_drain = 0;
}

static enum fr_body_mode on_head(void *data, struct fr_exchange *x, size_t *max_body)
{
	struct world *w = data;
	struct fr_bytes path = fr_exchange_head(x)->path;

	w->heads++;
	if (++w->in_flight > w->most_in_flight)
		w->most_in_flight = w->in_flight;
	if (is(path, "/limit"))
		*max_body = 10;
	return is(path, "/stream") || is(path, "/early") || is(path, "/slow") ||
	                       is(path, "/resumed")
	               ? FR_BODY_STREAM
	               : FR_BODY_BUFFER;
}

void world_on_empty(void *data)
{
	struct world *w = data;

	w->drained = true;
}

static void on_request(void *data, struct fr_exchange *x)
{
	static const struct fr_field bad = { { "x-a", 3 }, { "b\r\nx-injected: c", 16 } };
	static const struct fr_field ten = { { "content-length", 14 }, { "10", 2 } };
	struct world *w = data;
	const struct fr_head *h = fr_exchange_head(x);
	struct fr_bytes body = fr_exchange_body(x);
	int err = 0;

	w->requests++;
	if (w->drain_on_request)
		fr_server_drain(w->server, 0.2, world_on_empty, w);
	if (is(h->path, "/echo") || is(h->path, "/limit")) {
		w->given++;
		err = fr_exchange_reply(x, 200, plain, NULL, 0, body.p, body.len, release, w);
	} else if (is(h->path, "/stream")) {
		err = fr_exchange_start(x, 200, NULL, 0, FR_FRAMING_CHUNKED);
	} else if (is(h->path, "/early")) {
		err = fr_exchange_reply(x, 403, plain, NULL, 0, "no", 2, NULL, NULL);
	} else if (is(h->path, "/slow")) {
		fr_exchange_pause(x);
	} else if (is(h->path, "/later") || is(h->path, "/resumed")) {
		if (is(h->path, "/resumed"))
			fr_exchange_pause(x);
		start_later(w, x);
	} else if (is(h->path, "/hold") || is(h->path, "/halved")) {
		return;
	} else if (is(h->path, "/produce")) {
		err = fr_exchange_start(x, 200, NULL, 0, FR_FRAMING_CHUNKED);
		if (!err)
			produce(w, x);
	} else if (is(h->path, "/close-delimited")) {
		err = fr_exchange_start(x, 200, NULL, 0, FR_FRAMING_LENGTH);
		if (!err)
			err = fr_exchange_write(x, "abc", 3, true, NULL, NULL);
	} else if (is(h->path, "/short")) {
		err = fr_exchange_start(x, 200, &ten, 1, FR_FRAMING_LENGTH);
		if (!err)
			err = fr_exchange_write(x, "abc", 3, true, NULL, NULL);
	} else if (is(h->path, "/long")) {
		err = fr_exchange_start(x, 200, &ten, 1, FR_FRAMING_LENGTH);
		if (!err && fr_exchange_write(x, "0123456789a", 11, true, NULL, NULL) == FR_EINVAL)
			err = fr_exchange_write(x, "0123456789", 10, true, NULL, NULL);
	} else if (is(h->path, "/inject")) {
		if (fr_exchange_reply(x, 200, plain, &bad, 1, "x", 1, NULL, NULL) == FR_EINVAL)
			err = fr_exchange_reply(x, 500, plain, NULL, 0, "refused", 7, NULL, NULL);
	} else if (is(h->path, "/abort")) {
		err = FR_EPIPE;
	} else if (is(h->path, "/who")) {
		char text[128];
		int client, server;
		const char *name = fr_exchange_server(x, &server);
		const char *peer = fr_exchange_client(x, &client);
		int n = snprintf(text, sizeof(text), "%s %d / %s %d", peer, client > 0, name,
		                 server > 0);

		err = fr_exchange_reply(x, 200, plain, NULL, 0, text, (size_t)n, NULL, NULL);
	} else {
		err = fr_exchange_reply(x, 200, plain, NULL, 0, "ok", 2, NULL, NULL);
	}
	if (err)
		fr_exchange_abort(x);
}

static void on_body(void *data, struct fr_exchange *x, const char *p, size_t len, bool last)
{
	struct world *w = data;

	w->last_seen |= last;
	if (is(fr_exchange_head(x)->path, "/resumed") && len) {
		w->reported_full = fr_exchange_write(x, filler, 4000, false, NULL, NULL);
		if (!w->reported_full && fr_exchange_write(x, "", 0, true, NULL, NULL))
			fr_exchange_abort(x);
	}
	if (is(fr_exchange_head(x)->path, "/stream") &&
	    fr_exchange_write(x, p, len, last, NULL, NULL) < 0)
		fr_exchange_abort(x);
}

static void on_drain(void *data, struct fr_exchange *x)
{
	struct world *w = data;

	w->drains++;
	if (!is(fr_exchange_head(x)->path, "/resumed"))
		produce(w, x);
	else if (fr_exchange_write(x, "", 0, true, NULL, NULL))
		fr_exchange_abort(x);
}

static void on_close(void *data, struct fr_exchange *x, bool ok)
{
	struct world *w = data;
	struct later *l = fr_exchange_data(x);

	w->in_flight--;
	w->sent_when_closed = fr_server_counters(w->server)->bytes_out;
	if (ok)
		w->closed_ok++;
	else
		w->closed_bad++;
	if (l) {
		ev_timer_stop(w->loop, &l->timer);
		free(l);
	}
}

static void on_flush(void *data)
{
	struct world *w = data;

	w->sent_when_flushed = fr_server_counters(w->server)->bytes_out;
}

static void on_half_close(void *data, struct fr_exchange *x)
{
	struct world *w = data;

	w->half_closed++;
	if (is(fr_exchange_head(x)->path, "/halved"))
		start_later(w, x);
}

/* Playing a script */

static void on_done(struct ev_loop *loop, ev_async *a, int revents)
{
	(void)a;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

int listen_inet(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET };
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static void wait_for_nobody(struct world *w)
{
	double until = ev_time() + 60;

	while (fr_server_counters(w->server)->connections && ev_time() < until)
		ev_run(w->loop, EVRUN_ONCE);
	assert_int_equal(fr_server_counters(w->server)->connections, 0);
}

void world_init(struct world *w, const struct fr_net_limits *given)
{
	struct fr_net_limits defaults;
	struct fr_app app = { .data = w,
		              .on_head = on_head,
		              .on_request = on_request,
		              .on_body = on_body,
		              .on_drain = on_drain,
		              .on_close = on_close,
		              .on_flush = on_flush,
		              .on_half_close = on_half_close };

	fr_net_limits_init(&defaults);
	defaults.idle_timeout = 3;
	defaults.linger_timeout = 1;
	w->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(w->loop);
	w->server = fr_server_new(w->loop, &app, given ? given : &defaults);
	assert_non_null(w->server);
	ev_async_init(&w->done, on_done);
	ev_async_start(w->loop, &w->done);
	w->client.out = malloc(OUT_BYTES + 1);
	w->client.loop = w->loop;
	w->client.done = &w->done;
}

void world_fini(struct world *w)
{
	fr_server_free(w->server);
	free(w->client.out);
	ev_loop_destroy(w->loop);
}

void play(struct world *w, const struct fr_net_limits *limits, const struct act *acts)
{
	struct timeval patience = { 60, 0 };
	struct sockaddr_in at;
	pthread_t thread;
	int fd = listen_inet(&at), small = 8192;

	world_init(w, limits);
	assert_int_equal(fr_server_listen(w->server, fd), 0);
	w->client.acts = acts;
	w->client.closed_bad = &w->closed_bad;
	assert_int_equal(sem_init(&w->client.begun, 0, 0), 0);
	w->client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(w->client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(w->client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	small = 1;
	setsockopt(w->client.fd, IPPROTO_TCP, TCP_NODELAY, &small, sizeof(small));
	assert_int_equal(connect(w->client.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(pthread_create(&thread, NULL, play_acts, &w->client), 0);
	while (sem_wait(&w->client.begun) < 0)
		;
	ev_run(w->loop, 0);
	pthread_join(thread, NULL);
	sem_destroy(&w->client.begun);
	if (w->client.fd >= 0)
		close(w->client.fd);
	wait_for_nobody(w);
	assert_int_equal(w->heads, w->closed_ok + w->closed_bad);
	assert_int_equal(w->given, w->released);
	close(fd);
}

unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

void assert_has(const struct world *w, const char *what)
{
	if (!strstr(w->client.out, what))
		fail_msg("no '%s' in '%.400s'", what, w->client.out);
}
