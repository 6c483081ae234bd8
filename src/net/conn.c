#include "net/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIN_ROOM 2048u /* worth receiving into */

/* Opening, closing */

static void link_add(struct fr_link *list, struct fr_link *l)
{
	l->prev = list->prev;
	l->next = list;
	list->prev->next = l;
	list->prev = l;
}

static void link_del(struct fr_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents);
static void on_writable(struct ev_loop *loop, ev_io *w, int revents);

int fr_conn_open(struct fr_server *s, int fd, const struct sockaddr *peer, socklen_t len,
                 struct fr_listening *from)
{
	struct fr_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return FR_ENOMEM;
	c->srv = s;
	c->fd = fd;
	c->from = from;
	c->rtimer.kind = c->wtimer.kind = FR_TIMER_NONE;
	c->out_end = &c->out;
	c->answer_left = -1;
	c->peer.any.sa_family = AF_UNSPEC;
	if (peer->sa_family == AF_INET || peer->sa_family == AF_INET6)
		memcpy(&c->peer, peer, len < sizeof(c->peer) ? len : sizeof(c->peer));
	link_add(&s->conns, &c->all);
	FR_COUNT_ADD(s->counters->accepted, 1);
	FR_COUNT_ADD(s->counters->connections, 1);
	ev_io_init(&c->rio, on_readable, fd, EV_READ);
	ev_io_init(&c->wio, on_writable, fd, EV_WRITE);
	ev_io_start(s->loop, &c->rio);
	fr_timer_set(s, &c->rtimer, FR_TIMER_HEADER);
	fr_timers_wake(s);
	if (FR_COUNT_GET(s->counters->connections) >= s->limits.connections)
		fr_listen_pause(s);
	return 0;
}

void fr_conn_fail(struct fr_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	ev_io_stop(c->srv->loop, &c->rio);
	ev_io_stop(c->srv->loop, &c->wio);
	fr_timer_stop(&c->rtimer);
	fr_timer_stop(&c->wtimer);
	fr_out_drop(c);
	close(c->fd);
	c->fd = -1;
	fr_conn_defer(c);
}

void fr_conn_defer(struct fr_conn *c)
{
	struct fr_server *s = c->srv;

	if (c->in_turn || c->deferred)
		return;
	c->deferred = true;
	c->next_deferred = NULL;
	if (!s->deferred)
		ev_feed_event(s->loop, &s->defer, EV_CUSTOM);
	*s->deferred_end = c;
	s->deferred_end = &c->next_deferred;
}

void fr_conn_undefer(struct fr_conn *c)
{
	struct fr_server *s = c->srv;
	struct fr_conn **at = &s->deferred;

	if (!c->deferred)
		return;
	while (*at != c)
		at = &(*at)->next_deferred;
	*at = c->next_deferred;
	if (s->deferred_end == &c->next_deferred)
		s->deferred_end = at;
	c->deferred = false;
}

bool fr_conn_is_idle(const struct fr_conn *c)
{
	return c->rx == FR_RX_HEAD && !c->closing && !c->begun &&
	       (!c->in || c->in->rd == c->in->wr);
}

static void destroy(struct fr_conn *c)
{
	struct fr_server *s = c->srv;

	fr_request_close(c, false);
	fr_conn_undefer(c);
	if (c->head && c->head != c->in)
		fr_block_give(s, c->head);
	if (c->in)
		fr_block_give(s, c->in);
	fr_request_drop_body(c);
	fr_ws_free(c);
	free(c->server);
	link_del(&c->all);
	FR_COUNT_ADD(s->counters->connections, (uint64_t)-1);
	free(c);
	if (FR_COUNT_GET(s->counters->connections) < s->limits.connections)
		fr_listen_resume(s);
	fr_server_check_empty(s);
}

/* Turns */

/* The timer that the connection's state asks for. */
static void set_timer(struct fr_conn *c)
{
	enum fr_timer_kind want;

	switch (c->rx) {
	case FR_RX_HEAD:
		if (c->out)
			want = FR_TIMER_NONE; /* that of the write guards */
		else if (fr_conn_is_idle(c))
			want = c->serial ? FR_TIMER_IDLE : FR_TIMER_HEADER;
		else
			want = FR_TIMER_HEADER;
		break;
	case FR_RX_BODY:
		want = c->x.paused && !c->discard ? FR_TIMER_CHECK : FR_TIMER_BODY;
		break;
	case FR_RX_WS:
		want = fr_ws_timer(c);
		break;
	case FR_RX_LINGER:
		want = FR_TIMER_LINGER;
		break;
	default:
		/* A client that resets is noticed by reading; where nothing is read, by asking. */
		want = ev_is_active(&c->rio) ? FR_TIMER_NONE : FR_TIMER_CHECK;
	}
	if (want == FR_TIMER_NONE)
		fr_timer_stop(&c->rtimer);
	else if (c->rtimer.kind != want || c->timer_serial != c->serial)
		fr_timer_set(c->srv, &c->rtimer, want);
	c->timer_serial = c->serial;
}

/* Gives back a buffer that holds nothing, and reads only where there is room. */
static void set_reading(struct fr_conn *c)
{
	struct fr_block *in = c->in;
	bool want = !c->eof && !(c->rx == FR_RX_BODY && c->x.paused && !c->discard) &&
	            (c->rx != FR_RX_WS || fr_ws_reads(c));

	if (in && in->rd == in->wr) {
		if (!c->head) {
			fr_block_give(c->srv, in);
			in = c->in = NULL;
		} else if (in == c->head) {
			in->rd = in->wr = in->pin;
		} else {
			in->rd = in->wr = 0;
		}
	}
	if (in && in->wr == in->cap && !(c->rx == FR_RX_BODY && in->rd == in->wr))
		want = false;
	if (want != ev_is_active(&c->rio)) {
		if (want)
			ev_io_start(c->srv->loop, &c->rio);
		else
			ev_io_stop(c->srv->loop, &c->rio);
	}
}

static void end_connection(struct fr_conn *c)
{
	if (c->closing == FR_CLOSE || c->eof || shutdown(c->fd, SHUT_WR)) {
		fr_conn_fail(c);
		return;
	}
	c->closing = FR_STAY;
	c->rx = FR_RX_LINGER;
	c->tx = FR_TX_NONE;
	c->begun = false;
	if (c->head && c->head != c->in)
		fr_block_give(c->srv, c->head);
	c->head = NULL;
	if (c->in)
		c->in->rd = c->in->wr = c->in->pin = 0;
	fr_request_drop_body(c);
}

struct turn {
	struct fr_conn *outer;
	size_t base;
};

/* Before anything is received: who dies now took what this client sent. */
static struct turn enter(struct fr_conn *c)
{
	struct fr_server *s = c->srv;
	struct turn t = { s->turn, s->turn_base };

	s->turn = c;
	fr_traffic_turn(s->counters, &c->peer.any);
	s->turn_base = s->cork_len;
	c->in_turn = true;
	c->budget = (unsigned)s->limits.pipeline;
	return t;
}

static void leave(struct fr_conn *c, struct turn t)
{
	struct fr_server *s = c->srv;

	do {
		fr_request_run(c);
		fr_out_uncork(c);
		/* An answer that had to wait for the socket may be out by now. */
	} while (!c->dead && !c->closing && c->tx == FR_TX_ENDED && !c->out);
	if (!c->dead && c->closing && !c->out)
		end_connection(c);
	if (c->dead) {
		destroy(c);
	} else {
		set_reading(c);
		set_timer(c);
		c->in_turn = false;
	}
	s->turn = t.outer;
	s->turn_base = t.base;
	fr_traffic_turn(s->counters, s->turn ? &s->turn->peer.any : NULL);
	if (s->closed && !s->turn) {
		s->closed = false;
		s->app.on_flush(s->app.data);
	}
}

void fr_conn_turn(struct fr_conn *c)
{
	leave(c, enter(c));
}

static bool is_reset(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

void fr_conn_timeout(struct fr_conn *c, enum fr_timer_kind kind)
{
	struct turn t = enter(c);

	switch (kind) {
	case FR_TIMER_HEADER:
		if (!fr_conn_is_idle(c)) {
			FR_COUNT_ADD(c->srv->counters->timeouts, 1);
			c->in->rd = c->in->wr;
			fr_answer_refuse(c, 408, "the head took too long");
			c->begun = false;
			break;
		}
		/* fall through */
	case FR_TIMER_IDLE:
		c->closing = FR_CLOSE;
		break;
	case FR_TIMER_BODY:
		FR_COUNT_ADD(c->srv->counters->timeouts, 1);
		if (c->x.active)
			fr_answer_refuse(c, 408, "the body took too long");
		else
			fr_conn_fail(c);
		break;
	case FR_TIMER_PING:
	case FR_TIMER_WS_CLOSE:
	case FR_TIMER_WS_HOLD:
		fr_ws_timeout(c, kind);
		break;
	case FR_TIMER_CHECK:
		if (is_reset(c->fd))
			fr_conn_fail(c);
		break;
	case FR_TIMER_WRITE:
		FR_COUNT_ADD(c->srv->counters->timeouts, 1);
		/* fall through */
	default:
		fr_conn_fail(c);
	}
	leave(c, t);
}

/* Socket events */

/* Where to receive; len 0: nowhere now. */
static char *receive_room(struct fr_conn *c, size_t *ret_len)
{
	struct fr_block *in = c->in;

	*ret_len = 0;
	if (c->rx == FR_RX_BODY && c->body && !c->head->parser.chunked && !c->discard &&
	    (!in || in->rd == in->wr)) {
		/* A body that is being collected is received where it belongs. */
		uint64_t left = (uint64_t)c->head->parser.head.content_length - c->body_seen;
		size_t more = left < FR_FIRST_BODY ? (size_t)left : FR_FIRST_BODY;

		if (c->body_cap - c->body_len < more) {
			if (fr_request_collect(c, NULL, more))
				return NULL;
			c->body_len -= more;
		}
		*ret_len = c->body_cap - c->body_len;
		if (*ret_len > left)
			*ret_len = (size_t)left;
		return c->body + c->body_len;
	}
	if (in && in == c->head && in->rd == in->wr && in->cap - in->wr < MIN_ROOM &&
	    c->rx == FR_RX_BODY)
		in = NULL;
	if (!in) {
		in = fr_block_take(c->srv);
		if (!in)
			return NULL;
		c->in = in;
	}
	*ret_len = in->cap - in->wr;
	return in->data + in->wr;
}

static void on_end(struct fr_conn *c)
{
	const struct fr_app *app = &c->srv->app;

	c->eof = true;
	if (c->rx == FR_RX_LINGER) {
		fr_conn_fail(c);
	} else if (c->rx == FR_RX_HEAD) {
		c->closing = FR_CLOSE;
	} else if (c->rx == FR_RX_DONE && c->x.active && !c->x.half_closed && app->on_half_close &&
	           c->tx != FR_TX_ENDED) {
		c->x.half_closed = true;
		app->on_half_close(app->data, &c->x);
	}
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct fr_conn *c = FR_CONTAINER_OF(w, struct fr_conn, rio);
	struct turn t = enter(c);
	size_t room;
	char *at = receive_room(c, &room);
	ssize_t n;

	(void)loop;
	(void)revents;
	if (!at) {
		fr_conn_fail(c);
	} else if (room) {
		do
			n = recv(c->fd, at, room, 0);
		while (n < 0 && errno == EINTR);
		if (n > 0) {
			FR_COUNT_ADD(c->srv->counters->bytes_in, (uint64_t)n);
			if (c->rx == FR_RX_LINGER) {
				/* forgotten */
			} else if (c->body && at == c->body + c->body_len) {
				c->body_len += (size_t)n;
				c->body_seen += (uint64_t)n;
			} else {
				c->in->wr += (size_t)n;
			}
		} else if (n == 0) {
			on_end(c);
		} else if (errno != EAGAIN && errno != EWOULDBLOCK) {
			fr_conn_fail(c);
		}
	}
	leave(c, t);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct fr_conn *c = FR_CONTAINER_OF(w, struct fr_conn, wio);
	struct turn t = enter(c);

	(void)loop;
	(void)revents;
	fr_out_flush(c);
	if (!c->dead && c->full && c->queued <= c->srv->limits.write_queue / 4) {
		c->full = false;
		if (c->x.active && c->tx == FR_TX_STARTED)
			c->srv->app.on_drain(c->srv->app.data, &c->x);
	}
	leave(c, t);
}
