#include "tests/fuzz/wire.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

#define QUIET_TURNS 8 /* so many in which nothing happens: nothing more comes of itself */
#define MAX_TURNS 100000

struct wire {
	struct fr_server *server;
	struct ev_loop *loop;
	bool (*between)(void);
	int fd; /* the client's end; -1: it has left */
	unsigned wild;
	char *got;
	size_t len, cap;
	unsigned turns;
};

/* What the server has sent, if the client listens; returns how much it was. */
static size_t receive(struct wire *w)
{
	size_t before = w->len;
	ssize_t n = 1;

	while (n > 0) {
		if (w->cap - w->len < 65536) {
			w->cap = w->cap * 2 + 131072;
			w->got = realloc(w->got, w->cap);
			if (!w->got)
				abort();
		}
		n = recv(w->fd, w->got + w->len, w->cap - w->len, 0);
		if (n > 0)
			w->len += (size_t)n;
	}
	return w->len - before;
}

/* Whether anything went on. */
static bool turn(struct wire *w)
{
	const struct fr_traffic *n = fr_server_counters(w->server);
	uint64_t before = n->bytes_in + n->bytes_out;
	bool busy;

	if (++w->turns > MAX_TURNS)
		abort(); /* it makes no end */
	ev_run(w->loop, EVRUN_NOWAIT);
	busy = w->between();
	if (w->fd >= 0 && !(w->wild & WIRE_DEAF))
		busy |= receive(w) > 0;
	return busy || n->bytes_in + n->bytes_out != before;
}

static void settle(struct wire *w)
{
	for (int quiet = 0; quiet < QUIET_TURNS; quiet++)
		if (turn(w))
			quiet = 0;
}

/* What timers.c does when a deadline has passed. */
static void expire(struct wire *w)
{
	struct fr_link *l = w->server->conns.next;
	struct fr_conn *c = FR_CONTAINER_OF(l, struct fr_conn, all);
	struct fr_timer *t;
	enum fr_timer_kind kind;

	if (l == &w->server->conns || c->dead)
		return;
	t = c->wtimer.kind != FR_TIMER_NONE && w->turns % 2 ? &c->wtimer : &c->rtimer;
	kind = t->kind;
	if (kind == FR_TIMER_NONE)
		return;
	fr_timer_stop(t);
	fr_conn_timeout(c, kind);
}

/* False: the server takes no more. */
static bool send_piece(struct wire *w, const uint8_t *p, size_t len)
{
	size_t sent = 0;
	ssize_t n;

	for (int i = 0; sent < len && i < 1000; i++) {
		n = send(w->fd, p + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0)
			sent += (size_t)n;
		turn(w);
	}
	return true;
}

static void talk(struct wire *w, const uint8_t *data, size_t size, size_t step)
{
	bool open = true;

	for (size_t at = 0; at < size && open; at += step) {
		size_t n = size - at < step ? size - at : step;

		if ((w->wild & WIRE_DRAIN) && at >= size / 2)
			fr_server_drain(w->server, 0, NULL, NULL);
		open = send_piece(w, data + at, n);
		if (w->wild & WIRE_EXPIRE)
			expire(w);
	}
	settle(w);
	for (int i = 0; (w->wild & WIRE_EXPIRE) && i < 3; i++) {
		expire(w);
		turn(w);
	}
	if (w->wild & WIRE_LEAVE) {
		close(w->fd);
		w->fd = -1;
	} else {
		w->wild &= ~(unsigned)WIRE_DEAF;
		shutdown(w->fd, SHUT_WR);
	}
	settle(w);
}

char *wire_run(const struct fr_app *app, const struct fr_net_limits *limits, const uint8_t *data,
               size_t size, size_t step, unsigned wild, bool (*between)(void), size_t *ret_len)
{
	struct wire w = { .between = between, .wild = wild };
	int pair[2], little = 1;

	/* A new loop each time, so that no run knows of another. */
	w.loop = ev_loop_new(EVBACKEND_POLL | EVFLAG_NOENV);
	if (!w.loop || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		abort();
	w.server = fr_server_new(w.loop, app, limits);
	if (!w.server)
		abort();
	if (wild & WIRE_DEAF)
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	w.fd = pair[1];
	if (fr_server_adopt(w.server, pair[0]) < 0)
		abort();
	talk(&w, data, size, step);
	/* The client has said that nothing follows: who has all answers is let go. */
	if (!wild && fr_server_counters(w.server)->connections)
		abort();
	fr_server_free(w.server);
	if (w.fd >= 0)
		close(w.fd);
	ev_loop_destroy(w.loop);
	*ret_len = w.len;
	return w.got;
}

static void drop_pieces(char *p, size_t *len, const char *what)
{
	size_t n = strlen(what);
	char *from = p, *end = p + *len, *to = p, *at;

	while ((at = memmem(from, (size_t)(end - from), what, n))) {
		memmove(to, from, (size_t)(at - from));
		to += at - from;
		from = at + n;
	}
	memmove(to, from, (size_t)(end - from));
	*len = (size_t)(to - p) + (size_t)(end - from);
}

static void blank_dates(char *p, size_t len)
{
	static const char name[] = "\r\ndate: ", text[] = "Thu, 01 Jan 1970 00:00:00 GMT";
	size_t n = sizeof(text) - 1;
	char *end = p + len;

	while ((p = memmem(p, (size_t)(end - p), name, sizeof(name) - 1))) {
		p += sizeof(name) - 1;
		if ((size_t)(end - p) >= n && !memcmp(p + n - 4, " GMT", 4))
			memcpy(p, text, n);
	}
}

/* A refusal comes last: which of two faults it names depends on what was there to be judged. */
static size_t before_refusal(const char *got, size_t len)
{
	static const char start[] = "HTTP/1.1 ";
	const char *p = got, *end = got + len;

	while ((p = memmem(p, (size_t)(end - p), start, sizeof(start) - 1))) {
		p += sizeof(start) - 1;
		if (p < end && (*p == '4' || *p == '5'))
			return (size_t)(p - got);
	}
	return len;
}

/* Returns the length of what is to be the same, however the bytes came. */
static size_t settle_text(char *got, size_t len)
{
	if (!len)
		return 0;
	drop_pieces(got, &len, "HTTP/1.1 100 Continue\r\n\r\n");
	blank_dates(got, len);
	return before_refusal(got, len);
}

void wire_compare(char *whole, size_t whole_len, char *pieces, size_t pieces_len)
{
	size_t len = settle_text(whole, whole_len);

	if (settle_text(pieces, pieces_len) == len && (!len || !memcmp(whole, pieces, len)))
		return;
	fprintf(stderr, "---- at once:\n%.*s\n---- in pieces:\n%.*s\n----\n", (int)whole_len, whole,
	        (int)pieces_len, pieces);
	abort();
}
