#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/conn.h"

#define MAX_IOV 64

char *fr_cork_room(struct fr_server *s, size_t room)
{
	if (s->cork_cap - s->cork_len < room) {
		size_t cap = s->cork_len + room + FR_CORK_BYTES;
		char *cork = realloc(s->cork, cap);

		if (!cork)
			return NULL;
		s->cork = cork;
		s->cork_cap = cap;
	}
	return s->cork + s->cork_len;
}

static void out_free(struct fr_out *o)
{
	if (o->release)
		o->release(o->owner);
	free(o);
}

void fr_out_drop(struct fr_conn *c)
{
	while (c->out) {
		struct fr_out *o = c->out;

		c->out = o->next;
		out_free(o);
	}
	c->out_end = &c->out;
	c->queued = 0;
}

static void append(struct fr_conn *c, struct fr_out *o)
{
	o->next = NULL;
	*c->out_end = o;
	c->out_end = &o->next;
	c->queued += o->len;
}

static struct fr_out *out_copy(const char *p, size_t len)
{
	struct fr_out *o = malloc(sizeof(*o) + len);

	if (!o)
		return NULL;
	memcpy(o->copy, p, len);
	o->p = o->copy;
	o->len = len;
	o->release = NULL;
	o->owner = NULL;
	return o;
}

static int queue_copy(struct fr_conn *c, struct fr_bytes b)
{
	struct fr_out *o;

	if (!b.len)
		return 0;
	o = out_copy(b.p, b.len);
	if (!o)
		return FR_ENOMEM;
	append(c, o);
	return 0;
}

/* Takes the ownership of the body, if it has an owner. */
static int queue_body(struct fr_conn *c, struct fr_bytes b, fr_release_fn *release, void *owner)
{
	struct fr_out *o;

	if (!release)
		return queue_copy(c, b);
	o = b.len ? malloc(sizeof(*o)) : NULL;
	if (!o) {
		release(owner);
		return b.len ? FR_ENOMEM : 0;
	}
	*o = (struct fr_out){ .p = b.p, .len = b.len, .release = release, .owner = owner };
	append(c, o);
	return 0;
}

static void skip(struct fr_bytes *b, size_t *n)
{
	size_t part = *n < b->len ? *n : b->len;

	if (!part)
		return; /* an empty piece may have no address */
	b->p += part;
	b->len -= part;
	*n -= part;
}

/* Bytes that the socket took at once, or -1 when it is of no use. */
static ssize_t push(struct fr_conn *c, struct fr_bytes *v, size_t nv)
{
	struct iovec iov[MAX_IOV];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	for (size_t i = 0; i < nv; i++) {
		if (!v[i].len)
			continue;
		iov[msg.msg_iovlen].iov_base = (char *)(uintptr_t)v[i].p;
		iov[msg.msg_iovlen++].iov_len = v[i].len;
	}
	if (!msg.msg_iovlen)
		return 0;
	do {
		n = msg.msg_iovlen == 1 ? send(c->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL)
		                        : sendmsg(c->fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	FR_COUNT_ADD(c->srv->counters->bytes_out, (uint64_t)n);
	return n;
}

static void wait_writable(struct fr_conn *c)
{
	if (c->out && !ev_is_active(&c->wio)) {
		ev_io_start(c->srv->loop, &c->wio);
		fr_timer_set(c->srv, &c->wtimer, FR_TIMER_WRITE);
	}
}

/* Writes v, of which v[body] is owned; what the socket doesn't take is queued. */
static int push_or_queue(struct fr_conn *c, struct fr_bytes *v, size_t nv, size_t body,
                         fr_release_fn *release, void *owner)
{
	ssize_t n = push(c, v, nv);
	size_t left = n < 0 ? 0 : (size_t)n;
	int err = 0;

	if (n < 0) {
		if (release)
			release(owner);
		fr_conn_fail(c);
		return FR_EPIPE;
	}
	for (size_t i = 0; i < nv; i++) {
		int e;

		skip(&v[i], &left);
		e = i == body ? queue_body(c, v[i], release, owner) : queue_copy(c, v[i]);
		err = err ? err : e;
	}
	if (err) {
		fr_conn_fail(c);
		return err;
	}
	wait_writable(c);
	return 0;
}

int fr_out_hold(struct fr_conn *c, struct fr_bytes bytes)
{
	int err = queue_copy(c, bytes);

	if (err)
		fr_conn_fail(c);
	return err;
}

int fr_out_send(struct fr_conn *c, struct fr_bytes lead, struct fr_bytes body, struct fr_bytes tail,
                fr_release_fn *release, void *owner)
{
	struct fr_server *s = c->srv;
	struct fr_bytes v[4] = { { NULL, 0 }, lead, body, tail };
	size_t all = lead.len + body.len + tail.len;

	if (s->turn == c && !c->out) {
		bool made = lead.p == s->cork + s->cork_len; /* a head, made where it is to be */

		if (all <= FR_CORK_PIECE && s->cork_len - s->turn_base + all <= FR_CORK_BYTES &&
		    fr_cork_room(s, all)) {
			char *p = s->cork + s->cork_len;

			if (!made && lead.len)
				memcpy(p, lead.p, lead.len);
			p += lead.len;
			if (body.len)
				memcpy(p, body.p, body.len);
			if (tail.len)
				memcpy(p + body.len, tail.p, tail.len);
			s->cork_len += all;
			if (release)
				release(owner);
			return 0;
		}
		v[0] = (struct fr_bytes){ s->cork + s->turn_base, s->cork_len - s->turn_base };
		s->cork_len = s->turn_base;
		return push_or_queue(c, v, 4, 2, release, owner);
	}
	if (!c->in_turn && !c->out)
		return push_or_queue(c, v, 4, 2, release, owner);
	if (queue_copy(c, lead)) {
		if (release)
			release(owner);
		fr_conn_fail(c);
		return FR_ENOMEM;
	}
	if (queue_body(c, body, release, owner) || queue_copy(c, tail)) {
		fr_conn_fail(c);
		return FR_ENOMEM;
	}
	/* In a turn it may wait for the end, but for as much as somebody would have to wait for. */
	if ((!c->in_turn || c->queued > s->limits.write_queue) && !ev_is_active(&c->wio)) {
		fr_out_flush(c);
		if (c->dead)
			return FR_EPIPE;
	}
	return 0;
}

void fr_out_flush(struct fr_conn *c)
{
	while (c->out) {
		struct fr_bytes v[MAX_IOV];
		size_t nv = 0, want = 0, left;
		ssize_t n;

		for (struct fr_out *o = c->out; o && nv < MAX_IOV; o = o->next) {
			v[nv++] = (struct fr_bytes){ o->p, o->len };
			want += o->len;
		}
		n = push(c, v, nv);
		if (n < 0) {
			fr_conn_fail(c);
			return;
		}
		left = (size_t)n;
		c->queued -= left;
		while (left && c->out) {
			struct fr_out *o = c->out;

			if (left < o->len) {
				o->p += left;
				o->len -= left;
				break;
			}
			left -= o->len;
			c->out = o->next;
			if (!c->out)
				c->out_end = &c->out;
			out_free(o);
		}
		if (n)
			fr_timer_set(c->srv, &c->wtimer, FR_TIMER_WRITE);
		if ((size_t)n < want) {
			wait_writable(c);
			return;
		}
	}
	ev_io_stop(c->srv->loop, &c->wio);
	fr_timer_stop(&c->wtimer);
}

void fr_out_uncork(struct fr_conn *c)
{
	struct fr_server *s = c->srv;
	struct fr_bytes v = { s->cork + s->turn_base, s->cork_len - s->turn_base };

	s->cork_len = s->turn_base;
	if (c->dead)
		return;
	if (v.len) {
		ssize_t n = push(c, &v, 1);

		if (n < 0) {
			fr_conn_fail(c);
			return;
		}
		if ((size_t)n < v.len) {
			/* Corked bytes go before those that were queued after them. */
			struct fr_out *o = out_copy(v.p + n, v.len - (size_t)n);

			if (!o) {
				fr_conn_fail(c);
				return;
			}
			o->next = c->out;
			if (!c->out)
				c->out_end = &o->next;
			c->out = o;
			c->queued += o->len;
			wait_writable(c);
			return;
		}
	}
	if (c->out && !ev_is_active(&c->wio))
		fr_out_flush(c);
}
