/*
 * The server on a loop of its own, over real sockets.  A client thread plays
 * a script; the test looks at what it received, and at what the application
 * was told.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/server.h"

/* The client */

enum act_kind { END, SEND, SEND_BYTES, SEND_MANY, PAUSE, SHUT, RESET, READ_ALL, READ_SOME, CLOSE };

struct act {
	enum act_kind kind;
	const char *text;
	size_t n;
};

#define SAY(s)                                                                                     \
	{                                                                                          \
		SEND, s, sizeof(s) - 1                                                             \
	}
#define SPELL(s)                                                                                   \
	{                                                                                          \
		SEND_BYTES, s, sizeof(s) - 1                                                       \
	}
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

#define OUT_BYTES (16u << 20)

struct client {
	const struct act *acts;
	int fd;
	char *out; /* all that was received, NUL-terminated */
	size_t len;
	bool eof, reset;
	struct ev_loop *loop;
	ev_async *done;
};

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

	for (const struct act *a = c->acts; a->kind != END; a++) {
		switch (a->kind) {
		case SEND:
			say(c, a->text, a->n, SIZE_MAX);
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

struct world {
	struct ev_loop *loop;
	struct fr_server *server;
	struct client client;
	ev_async done;
	bool half_closing, drain_on_request;
	unsigned heads, requests, closed_ok, closed_bad, given, released, half_closed, drains;
	size_t most_unread; /* bytes written before the queue was reported full */
	size_t produced, since_drain;
	bool last_seen, drained;
	unsigned in_flight, most_in_flight;
	char body[256];
	size_t body_len;
};

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
	if (fr_exchange_reply(l->x, 200, plain, NULL, 0, "later", 5, NULL, NULL))
		fr_exchange_abort(l->x);
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
	return is(path, "/stream") || is(path, "/early") || is(path, "/slow") ? FR_BODY_STREAM
	                                                                      : FR_BODY_BUFFER;
}

static void on_empty(void *data)
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
		fr_server_drain(w->server, 0.2, on_empty, w);
	if (is(h->path, "/echo") || is(h->path, "/limit")) {
		w->given++;
		err = fr_exchange_reply(x, 200, plain, NULL, 0, body.p, body.len, release, w);
	} else if (is(h->path, "/stream")) {
		err = fr_exchange_start(x, 200, NULL, 0, FR_FRAMING_CHUNKED);
	} else if (is(h->path, "/early")) {
		err = fr_exchange_reply(x, 403, plain, NULL, 0, "no", 2, NULL, NULL);
	} else if (is(h->path, "/slow")) {
		fr_exchange_pause(x);
	} else if (is(h->path, "/later")) {
		struct later *l = calloc(1, sizeof(*l));

		l->x = x;
		l->w = w;
		fr_exchange_set_data(x, l);
		ev_timer_init(&l->timer, on_timer, 0.02, 0.);
		ev_timer_start(w->loop, &l->timer);
	} else if (is(h->path, "/hold")) {
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
	if (is(fr_exchange_head(x)->path, "/stream") &&
	    fr_exchange_write(x, p, len, last, NULL, NULL) < 0)
		fr_exchange_abort(x);
}

static void on_drain(void *data, struct fr_exchange *x)
{
	struct world *w = data;

	w->drains++;
	produce(w, x);
}

static void on_close(void *data, struct fr_exchange *x, bool ok)
{
	struct world *w = data;
	struct later *l = fr_exchange_data(x);

	w->in_flight--;
	if (ok)
		w->closed_ok++;
	else
		w->closed_bad++;
	if (l) {
		ev_timer_stop(w->loop, &l->timer);
		free(l);
	}
}

static void on_half_close(void *data, struct fr_exchange *x)
{
	struct world *w = data;

	(void)x;
	w->half_closed++;
}

/* Playing a script */

static void on_done(struct ev_loop *loop, ev_async *a, int revents)
{
	(void)a;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static int listen_inet(struct sockaddr_in *at)
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
	double end = ev_time() + 5;

	while (fr_server_counters(w->server)->connections && ev_time() < end)
		ev_run(w->loop, EVRUN_ONCE);
	assert_int_equal(fr_server_counters(w->server)->connections, 0);
}

static void begin(struct world *w, const struct fr_net_limits *given)
{
	static const struct fr_net_limits defaults = { .idle_timeout = 3, .linger_timeout = 1 };
	struct fr_app app = { .data = w,
		              .on_head = on_head,
		              .on_request = on_request,
		              .on_body = on_body,
		              .on_drain = on_drain,
		              .on_close = on_close,
		              .on_half_close = on_half_close };

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

static void end(struct world *w)
{
	fr_server_free(w->server);
	free(w->client.out);
	ev_loop_destroy(w->loop);
}

/* Plays on one connection, then waits until the server has closed it. */
static void play(struct world *w, const struct fr_net_limits *limits, const struct act *acts)
{
	struct timeval patience = { 5, 0 };
	struct sockaddr_in at;
	pthread_t thread;
	int fd = listen_inet(&at), small = 8192;

	begin(w, limits);
	assert_int_equal(fr_server_listen(w->server, fd), 0);
	w->client.acts = acts;
	w->client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(w->client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(w->client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	small = 1;
	setsockopt(w->client.fd, IPPROTO_TCP, TCP_NODELAY, &small, sizeof(small));
	assert_int_equal(connect(w->client.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(pthread_create(&thread, NULL, play_acts, &w->client), 0);
	ev_run(w->loop, 0);
	pthread_join(thread, NULL);
	if (w->client.fd >= 0)
		close(w->client.fd);
	wait_for_nobody(w);
	assert_int_equal(w->heads, w->closed_ok + w->closed_bad);
	assert_int_equal(w->given, w->released);
	close(fd);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

#define PLAY(w, limits, ...)                                                                       \
	struct world w = { 0 };                                                                    \
	play(&w, limits, (const struct act[]){ __VA_ARGS__, { END, NULL, 0 } })

#define ALL                                                                                        \
	{                                                                                          \
		READ_ALL, NULL, 0                                                                  \
	}
#define HALF                                                                                       \
	{                                                                                          \
		SHUT, NULL, 0                                                                      \
	}
#define WAIT(ms)                                                                                   \
	{                                                                                          \
		PAUSE, NULL, ms                                                                    \
	}
#define SOME(n)                                                                                    \
	{                                                                                          \
		READ_SOME, NULL, n                                                                 \
	}

static void assert_has(const struct world *w, const char *what)
{
	if (!strstr(w->client.out, what))
		fail_msg("no '%s' in '%.400s'", what, w->client.out);
}

static void test_keep_alive(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY(GET), SOME(100), SAY(LAST), ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 2);
	assert_int_equal(count(w.client.out, "\r\nconnection: close\r\n"), 1);
	assert_int_equal(w.closed_ok, 2);
	assert_true(w.client.eof);
	end(&w);
}

static void test_http_1_0(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), SOME(100),
	     SAY("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), ALL);
	assert_int_equal(count(w.client.out, "\r\nconnection: keep-alive\r\n"), 1);
	assert_int_equal(count(w.client.out, "\r\nconnection: close\r\n"), 1);
	assert_null(strstr(w.client.out, "chunked"));
	assert_true(w.client.eof);
	end(&w);
}

static void test_pipelining(void **state)
{
	(void)state;
	PLAY(w, NULL,
	     SAY(GET "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
	             "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
	             "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	             "3\r\ntwo\r\n0\r\n\r\n" LAST),
	     ALL);
	const char *one = strstr(w.client.out, "\r\n\r\none"),
		   *later = strstr(w.client.out, "\r\n\r\nlater");
	const char *two = strstr(w.client.out, "\r\n\r\ntwo");

	assert_true(one && later && two && one < later && later < two);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 5);
	assert_int_equal(w.most_in_flight, 1);
	assert_int_equal(w.closed_ok, 5);
	end(&w);
}

static void test_many_pipelined(void **state)
{
	struct fr_net_limits limits = { .pipeline = 3 };

	(void)state;
	PLAY(w, &limits, { SEND_MANY, GET GET GET GET GET GET GET GET GET GET, 100 }, SAY(LAST),
	     ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 1001);
	assert_int_equal(w.closed_ok, 1001);
	end(&w);
}

static void test_good_then_bad(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY(GET "GET / HTTP/1.1\r\n\r\n" GET), ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 1);
	assert_int_equal(count(w.client.out, "HTTP/1.1 400 Bad Request\r\n"), 1);
	assert_int_equal(w.heads, 1);
	assert_true(w.client.eof);
	end(&w);
}

/* A request split anywhere, or spelt byte by byte, is answered as when it comes whole. */
static void without_dates(char *text)
{
	char *date;

	while ((date = strstr(text, "\r\ndate: ")))
		memmove(date, strstr(date + 2, "\r\n"), strlen(strstr(date + 2, "\r\n")) + 1);
}

#define MIXED                                                                                      \
	"\r\nPOST /echo?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"                 \
	"POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"                   \
	"3;x\r\nabc\r\n0\r\nT: u\r\n\r\n" LAST

static void test_split(void **state)
{
	static const char mixed[] = MIXED;
	char *want;

	(void)state;
	PLAY(whole, NULL, SAY(MIXED), ALL);
	without_dates(whole.client.out);
	want = strdup(whole.client.out);
	assert_int_equal(whole.closed_ok, 3);
	assert_int_equal(count(want, "HTTP/1.1 200 OK\r\n"), 3);
	end(&whole);
	for (size_t at = 1; at < sizeof(mixed) - 1; at++) {
		PLAY(w, NULL, { SEND, mixed, at }, WAIT(2),
		     { SEND, mixed + at, sizeof(mixed) - 1 - at }, ALL);
		without_dates(w.client.out);
		/* Chunks of the streamed answer follow those of the network. */
		if (strcmp(w.client.out, want) && !strstr(w.client.out, "\r\n1\r\n"))
			fail_msg("split at %zu: '%s'", at, w.client.out);
		assert_int_equal(w.closed_ok, 3);
		end(&w);
	}
	PLAY(spelt, NULL, SPELL(MIXED), ALL);
	assert_int_equal(count(spelt.client.out, "HTTP/1.1 200 OK\r\n"), 3);
	assert_int_equal(spelt.closed_ok, 3);
	assert_has(&spelt, "\r\n\r\nhello");
	end(&spelt);
	free(want);
}

static void test_continue(void **state)
{
	(void)state;
	PLAY(w, NULL,
	     SAY("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
	         "5\r\n\r\n"),
	     SOME(25), SAY("hello" LAST), ALL);
	assert_int_equal(
		strncmp(w.client.out, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", 42), 0);
	assert_has(&w, "\r\n\r\nhello");
	end(&w);
}

static void test_no_continue(void **state)
{
	(void)state;
	/* An answer that didn't want the body: never 100 after it began, and the end. */
	PLAY(w, NULL,
	     SAY("POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
	         "5\r\n\r\n"),
	     ALL);
	assert_null(strstr(w.client.out, "100 Continue"));
	assert_has(&w, "HTTP/1.1 403 Forbidden\r\n");
	assert_has(&w, "connection: close\r\n");
	end(&w);
}

static void test_early_answer(void **state)
{
	(void)state;
	/* The short rest of a body is read and forgotten; the connection goes on. */
	PLAY(w, NULL,
	     SAY("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET /smuggled"),
	     SOME(50), SAY(" HTTP/1.1\r\n\r\n1234" LAST), ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 403"), 1);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200"), 1);
	assert_int_equal(w.heads, 2);
	end(&w);
}

static void test_too_large(void **state)
{
	static char big[300000];

	(void)state;
	memset(big, 'x', sizeof(big));
	PLAY(w, NULL, SAY("POST /limit HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"),
	     { SEND, big, sizeof(big) }, ALL);
	assert_has(&w, "HTTP/1.1 413 Request Entity Too Large\r\n");
	assert_true(w.client.eof);
	assert_int_equal(w.requests, 0);
	assert_int_equal(w.closed_bad, 1);
	end(&w);
	PLAY(v, NULL,
	     SAY("POST /limit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n"),
	     ALL);
	assert_has(&v, "HTTP/1.1 413");
	assert_int_equal(v.requests, 0);
	end(&v);
}

static void test_large_body(void **state)
{
	static char big[300000];

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)('a' + i % 23);
	PLAY(w, NULL, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"),
	     { SEND, big, sizeof(big) }, SAY(LAST), ALL);
	char *body = strstr(w.client.out, "\r\n\r\n");

	assert_non_null(body);
	assert_memory_equal(body + 4, big, sizeof(big));
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 2);
	end(&w);
}

static void test_timeouts(void **state)
{
	struct fr_net_limits limits = { .header_timeout = 0.15,
		                        .body_timeout = 0.15,
		                        .idle_timeout = 0.15,
		                        .linger_timeout = 0.1 };

	(void)state;
	PLAY(silent, &limits, ALL);
	assert_string_equal(silent.client.out, "");
	assert_true(silent.client.eof);
	end(&silent);
	PLAY(head, &limits, SAY("GET / HTTP/1.1\r\nHo"), ALL);
	assert_has(&head, "HTTP/1.1 408 Request Timeout\r\n");
	assert_true(head.client.eof);
	end(&head);
	PLAY(body, &limits, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"),
	     ALL);
	assert_has(&body, "HTTP/1.1 408");
	assert_int_equal(body.closed_bad, 1);
	end(&body);
	PLAY(idle, &limits, SAY(GET), ALL);
	assert_int_equal(count(idle.client.out, "HTTP/1.1"), 1);
	assert_true(idle.client.eof);
	end(&idle);
	/* Dripping doesn't help: the limit is for the whole head. */
	PLAY(drip, &limits, SAY("GET / HTTP/1.1\r\nX: "), WAIT(60), SAY("a"), WAIT(60), SAY("a"),
	     WAIT(60), SAY("a"), WAIT(60), SAY("a"), WAIT(100), SAY("a"), ALL);
	assert_has(&drip, "HTTP/1.1 408");
	end(&drip);
	/* What the application paused has all the time it needs. */
	PLAY(slow, &limits, SAY("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
	     WAIT(400), { RESET, NULL, 0 });
	assert_null(strstr(slow.client.out, "408"));
	end(&slow);
}

static void test_back_pressure(void **state)
{
	struct fr_net_limits limits = { .write_queue = 131072 };

	(void)state;
	PLAY(w, &limits, SAY("GET /produce HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
	     WAIT(100), ALL);
	assert_true(w.client.len > (8u << 20));
	assert_true(w.client.eof);
	assert_string_equal(w.client.out + w.client.len - 5, "0\r\n\r\n");
	assert_true(w.drains > 1);
	assert_true(w.most_unread < (6u << 20)); /* what the sockets buffer, and the mark */
	assert_int_equal(w.closed_ok, 1);
	end(&w);
}

static void test_write_stall(void **state)
{
	struct fr_net_limits limits = { .write_queue = 131072, .write_timeout = 0.2 };

	(void)state;
	PLAY(w, &limits, SAY("GET /produce HTTP/1.1\r\nHost: a\r\n\r\n"), WAIT(800), ALL);
	assert_true(w.client.len < (8u << 20));
	assert_int_equal(w.closed_bad, 1);
	assert_int_equal(w.closed_ok, 0);
	end(&w);
}

static void test_client_leaves(void **state)
{
	(void)state;
	PLAY(mid, NULL, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"),
	     { CLOSE, NULL, 0 });
	assert_int_equal(mid.requests, 0);
	assert_int_equal(mid.closed_bad, 1);
	end(&mid);
	PLAY(stream, NULL,
	     SAY("POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
	     WAIT(20), { RESET, NULL, 0 });
	assert_int_equal(stream.closed_bad, 1);
	assert_false(stream.last_seen);
	end(&stream);
	PLAY(wait, NULL, SAY("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"), WAIT(20),
	     { RESET, NULL, 0 });
	assert_int_equal(wait.closed_bad, 1);
	end(&wait);
	PLAY(cut, NULL, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"), HALF,
	     ALL);
	assert_has(&cut, "HTTP/1.1 400");
	assert_int_equal(cut.requests, 0);
	end(&cut);
}

static void test_half_close(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY(GET "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"), HALF, ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 2);
	assert_has(&w, "\r\n\r\nlater");
	assert_true(w.client.eof);
	assert_int_equal(w.half_closed, 1);
	assert_int_equal(w.closed_ok, 2);
	end(&w);
}

static void test_framing_of_answers(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY("GET /close-delimited HTTP/1.1\r\nHost: a\r\n\r\n"), ALL);
	assert_has(&w, "connection: close\r\n");
	assert_string_equal(w.client.out + w.client.len - 7, "\r\n\r\nabc");
	assert_int_equal(w.closed_ok, 1);
	end(&w);
	PLAY(cut, NULL, SAY("GET /short HTTP/1.1\r\nHost: a\r\n\r\n" GET), ALL);
	assert_int_equal(count(cut.client.out, "HTTP/1.1"), 1);
	assert_int_equal(cut.closed_bad, 1);
	end(&cut);
	PLAY(over, NULL, SAY("GET /long HTTP/1.1\r\nHost: a\r\n\r\n" LAST), ALL);
	assert_has(&over, "\r\n\r\n0123456789HTTP/1.1 200 OK\r\n");
	end(&over);
	PLAY(head, NULL,
	     SAY("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" LAST),
	     ALL);
	assert_has(&head,
	           "content-length: 2\r\ncontent-type: text/plain\r\n\r\nHTTP/1.1 200 OK\r\n");
	assert_has(&head, "transfer-encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n");
	end(&head);
	PLAY(bad, NULL, SAY("GET /inject HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), ALL);
	assert_has(&bad, "HTTP/1.1 500 Internal Server Error\r\n");
	assert_null(strstr(bad.client.out, "injected"));
	end(&bad);
}

static void test_drain(void **state)
{
	(void)state;
	struct world w = { .drain_on_request = true };

	play(&w, NULL,
	     (const struct act[]){
		     SAY("GET /later HTTP/1.1\r\nHost: a\r\n\r\n" GET), ALL, { END, NULL, 0 } });
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 1);
	assert_has(&w, "connection: close\r\n");
	ev_run(w.loop, EVRUN_NOWAIT);
	assert_true(w.drained);
	end(&w);
}

static void test_drain_idle(void **state)
{
	struct world w = { 0 };
	struct timeval patience = { 5, 0 };
	int pair[2];
	char byte;

	(void)state;
	begin(&w, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(fr_server_adopt(w.server, pair[0]), 0);
	ev_run(w.loop, EVRUN_NOWAIT);
	fr_server_drain(w.server, 0.05, on_empty, &w);
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* Within the grace a request is still answered, with the last word. */
	assert_int_equal(send(pair[1], GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);
	while (!w.drained)
		ev_run(w.loop, EVRUN_ONCE);
	w.client.len = (size_t)recv(pair[1], w.client.out, OUT_BYTES, 0);
	assert_true(w.client.len > 0 && w.client.len < OUT_BYTES);
	w.client.out[w.client.len] = 0;
	assert_has(&w, "connection: close\r\n");
	assert_int_equal(recv(pair[1], &byte, 1, 0), 0);
	close(pair[1]);
	end(&w);
}

static void test_connection_limit(void **state)
{
	struct fr_net_limits limits = { .connections = 2,
		                        .idle_timeout = 0.2,
		                        .header_timeout = 0.2 };
	struct world w = { 0 };
	struct sockaddr_in at;
	int fd = listen_inet(&at), clients[4];
	double until;

	(void)state;
	begin(&w, &limits);
	assert_int_equal(fr_server_listen(w.server, fd), 0);
	for (int i = 0; i < 4; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(clients[i], (struct sockaddr *)&at, sizeof(at)), 0);
	}
	for (int i = 0; i < 10; i++)
		ev_run(w.loop, EVRUN_NOWAIT);
	assert_int_equal(fr_server_counters(w.server)->connections, 2);
	/* As they end, the others get their turn. */
	for (until = ev_time() + 3;
	     fr_server_counters(w.server)->accepted < 4 && ev_time() < until;)
		ev_run(w.loop, EVRUN_ONCE);
	assert_int_equal(fr_server_counters(w.server)->accepted, 4);
	for (int i = 0; i < 4; i++)
		close(clients[i]);
	end(&w);
	close(fd);
}

/* Without descriptors a connection is refused, not left to wake the loop for ever. */
static void test_no_descriptors(void **state)
{
	struct timeval patience = { 5, 0 };
	struct world w = { 0 };
	struct rlimit limit, low;
	struct sockaddr_in at;
	int fd = listen_inet(&at), refused, served, next;
	char byte;

	(void)state;
	begin(&w, NULL);
	assert_int_equal(fr_server_listen(w.server, fd), 0);
	refused = socket(AF_INET, SOCK_STREAM, 0);
	served = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(refused, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ev_run(w.loop, EVRUN_NOWAIT);
	next = dup(refused);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(connect(refused, (struct sockaddr *)&at, sizeof(at)), 0);
	ev_run(w.loop, EVRUN_ONCE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(fr_server_counters(w.server)->accepted, 0);
	assert_int_equal(recv(refused, &byte, 1, 0), 0);
	assert_int_equal(connect(served, (struct sockaddr *)&at, sizeof(at)), 0);
	ev_run(w.loop, EVRUN_ONCE);
	assert_int_equal(fr_server_counters(w.server)->accepted, 1);
	close(refused);
	close(served);
	end(&w);
	close(fd);
}

static void test_addresses(void **state)
{
	char path[] = "/tmp/fr-net-XXXXXX/s";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct world w = { 0 };
	int fd, client;

	(void)state;
	PLAY(inet, NULL, SAY("GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), ALL);
	assert_has(&inet, "\r\n\r\n127.0.0.1 1 / 127.0.0.1 1");
	end(&inet);

	path[18] = 0;
	assert_non_null(mkdtemp(path));
	path[18] = '/';
	strcpy(at.sun_path, path);
	begin(&w, NULL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(fr_server_listen(w.server, fd), 0);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(send(client, "GET /who HTTP/1.0\r\n\r\n", 21, 0) == 21);
	while (!w.closed_ok)
		ev_run(w.loop, EVRUN_ONCE);
	w.client.len = (size_t)recv(client, w.client.out, OUT_BYTES, 0);
	w.client.out[w.client.len] = 0;
	assert_has(&w, "\r\n\r\n 0 / /tmp/fr-net-");
	close(client);
	close(fd);
	unlink(path);
	path[18] = 0;
	rmdir(path);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_alive),         cmocka_unit_test(test_http_1_0),
		cmocka_unit_test(test_pipelining),         cmocka_unit_test(test_many_pipelined),
		cmocka_unit_test(test_good_then_bad),      cmocka_unit_test(test_split),
		cmocka_unit_test(test_continue),           cmocka_unit_test(test_no_continue),
		cmocka_unit_test(test_early_answer),       cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_large_body),         cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_back_pressure),      cmocka_unit_test(test_write_stall),
		cmocka_unit_test(test_client_leaves),      cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_framing_of_answers), cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_idle),         cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_no_descriptors),     cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
