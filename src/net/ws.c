/*
 * A connection that has become a WebSocket (RFC 6455).  wslay takes frames
 * apart and puts them together; messages, limits, control frames and the
 * closing handshake are ours.
 *
 * It stays within the turns of conn.h: fr_ws_run takes what was received.
 */
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include <poll.h>

#include "base/utf8.h"
#include "http/ws.h"
#include "net/conn.h"

#define CONTROL_MAX 125
#define KEEP_MESSAGE 16384u /* a larger buffer is given back after its message */
#define FIRST_MESSAGE 512u

struct fr_ws {
	struct fr_conn *conn;
	wslay_frame_context_ptr frames;
	char *message; /* what came of it */
	size_t len, cap;
	uint64_t frame_left; /* of the frame's payload */
	uint8_t control[CONTROL_MAX];
	uint8_t control_len;
	uint8_t opcode; /* the message's; 0: none has begun */
	uint8_t frame_opcode;
	bool frame_fin;
	bool in_frame;
	uint16_t due_code;
	bool due; /* a close frame of ours, with that code: the client's is there, or we drain */
	bool held; /* it waits for what the application has to say yet */
	bool close_got, close_sent;
	bool ended; /* on_ws_end was called, or is not to be */
	bool asked; /* a ping was sent, and nothing came since */
	struct fr_bytes lead; /* the header of the frame that is being sent */
};

static struct fr_conn *conn_of(const struct fr_exchange *x)
{
	return FR_CONTAINER_OF((struct fr_exchange *)(uintptr_t)x, struct fr_conn, x);
}

/* ---- wslay's callbacks ---- */

static ssize_t on_recv(uint8_t *buf, size_t len, int flags, void *data)
{
	struct fr_ws *ws = data;
	struct fr_block *in = ws->conn->in;
	size_t n = in ? in->wr - in->rd : 0;

	(void)flags;
	if (!n)
		return -1; /* not now */
	if (n > len)
		n = len;
	memcpy(buf, in->data + in->rd, n);
	in->rd += n;
	ws->asked = false;
	return (ssize_t)n;
}

/* First the header comes, which wslay keeps; then the payload, as it was given. */
static ssize_t on_send(const uint8_t *data, size_t len, int flags, void *user)
{
	struct fr_ws *ws = user;

	(void)flags;
	if (!ws->lead.p)
		ws->lead = (struct fr_bytes){ (const char *)data, len };
	return (ssize_t)len;
}

int fr_ws_open(struct fr_conn *c)
{
	static const struct wslay_frame_callbacks callbacks = { on_send, on_recv, NULL };
	struct fr_ws *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return FR_ENOMEM;
	if (wslay_frame_context_init(&ws->frames, &callbacks, ws)) {
		free(ws);
		return FR_ENOMEM;
	}
	ws->conn = c;
	c->ws = ws;
	return 0;
}

void fr_ws_free(struct fr_conn *c)
{
	if (!c->ws)
		return;
	wslay_frame_context_free(c->ws->frames);
	free(c->ws->message);
	free(c->ws);
	c->ws = NULL;
}

/* ---- sending ---- */

/* One whole frame; takes the ownership of the payload, if it has an owner. */
static int send_frame(struct fr_conn *c, uint8_t opcode, struct fr_bytes payload,
                      fr_release_fn *release, void *owner)
{
	struct fr_ws *ws = c->ws;
	struct wslay_frame_iocb f = {
		.fin = 1,
		.opcode = opcode,
		.payload_length = payload.len,
		.data = (const uint8_t *)payload.p,
		.data_length = payload.len,
	};

	ws->lead.p = NULL;
	if (wslay_frame_send(ws->frames, &f) < 0 || !ws->lead.p) {
		if (release)
			release(owner);
		fr_conn_fail(c);
		return FR_EPIPE;
	}
	return fr_out_send(c, ws->lead, payload, (struct fr_bytes){ NULL, 0 }, release, owner);
}

static int send_close(struct fr_conn *c, unsigned code, struct fr_bytes reason)
{
	char payload[CONTROL_MAX] = "";
	size_t len = 0;

	if (code != 1005) {
		payload[0] = (char)(code >> 8);
		payload[1] = (char)(code & 0xff);
		if (reason.len)
			memcpy(payload + 2, reason.p, reason.len);
		len = 2 + reason.len;
	}
	c->ws->close_sent = true;
	return send_frame(c, WSLAY_CONNECTION_CLOSE, (struct fr_bytes){ payload, len }, NULL, NULL);
}

int fr_exchange_ws_send(struct fr_exchange *x, bool text, const char *p, size_t len,
                        fr_release_fn *release, void *owner)
{
	struct fr_conn *c = conn_of(x);
	int err;

	if (c->dead || !x->active || !c->ws || c->ws->close_sent || c->tx != FR_TX_STARTED) {
		if (release)
			release(owner);
		return FR_EPIPE;
	}
	err = send_frame(c, text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
	                 (struct fr_bytes){ p, len }, release, owner);
	if (err)
		return err;
	if (c->queued <= c->srv->limits.write_queue)
		return 0;
	c->full = true;
	return 1;
}

int fr_exchange_ws_close(struct fr_exchange *x, unsigned code, struct fr_bytes reason)
{
	struct fr_conn *c = conn_of(x);
	int err;

	if (c->dead || !x->active || !c->ws || c->ws->close_sent || c->tx != FR_TX_STARTED)
		return FR_EPIPE;
	if ((code != 1005 && !fr_ws_code_valid(code)) || reason.len > CONTROL_MAX - 2 ||
	    !fr_utf8_valid(reason.p, reason.len))
		return FR_EINVAL;
	err = send_close(c, code, reason);
	fr_conn_defer(c); /* for the timer */
	return err;
}

/* ---- the end ---- */

static void tell_end(struct fr_conn *c, unsigned code, struct fr_bytes reason)
{
	if (c->ws->ended)
		return;
	c->ws->ended = true;
	c->srv->app.on_ws_end(c->srv->app.data, &c->x, code, reason);
}

/* No frame is of interest any more; the connection ends when all is written. */
static void finish(struct fr_conn *c)
{
	if (c->dead)
		return;
	c->tx = FR_TX_ENDED;
}

/* No data may follow our close frame. */
static void send_due(struct fr_conn *c)
{
	struct fr_ws *ws = c->ws;

	ws->due = ws->held = false;
	if (c->dead ||
	    (!ws->close_sent && send_close(c, ws->due_code, (struct fr_bytes){ NULL, 0 })))
		return;
	if (ws->close_got)
		finish(c);
}

/* The application is told first: it may hold the close frame. */
static void end_with(struct fr_conn *c, unsigned code, struct fr_bytes reason)
{
	struct fr_ws *ws = c->ws;

	ws->due = true;
	ws->due_code = (uint16_t)code;
	tell_end(c, code, reason);
	if (!ws->held)
		send_due(c);
}

void fr_exchange_ws_hold(struct fr_exchange *x)
{
	struct fr_conn *c = conn_of(x);

	if (c->dead || !x->active || !c->ws || !c->ws->due || c->ws->close_sent)
		return;
	c->ws->held = true;
	fr_timer_stop(&c->rtimer); /* so that the turn's end starts it anew */
	fr_conn_defer(c);
}

void fr_exchange_ws_release(struct fr_exchange *x)
{
	struct fr_conn *c = conn_of(x);

	if (c->dead || !x->active || !c->ws || !c->ws->held)
		return;
	send_due(c);
	fr_conn_defer(c);
}

/* Fails the WebSocket: the client is told why. */
static void fail(struct fr_conn *c, unsigned code)
{
	struct fr_bytes none = { NULL, 0 };

	if (!c->ws->close_sent && send_close(c, code, none))
		return;
	c->ws->due = c->ws->held = false;
	c->broken = true;
	tell_end(c, code, none);
	finish(c);
}

/* ---- receiving ---- */

static void take_close(struct fr_conn *c)
{
	struct fr_ws *ws = c->ws;
	struct fr_bytes reason = { NULL, 0 };
	unsigned code = 1005;

	if (ws->control_len) {
		code = (unsigned)ws->control[0] << 8 | ws->control[1];
		reason = (struct fr_bytes){ (char *)ws->control + 2, ws->control_len - 2u };
		if (ws->control_len < 2 || !fr_ws_code_valid(code)) {
			fail(c, 1002);
			return;
		}
		if (!fr_utf8_valid(reason.p, reason.len)) {
			fail(c, 1007);
			return;
		}
	}
	ws->close_got = true;
	end_with(c, code, reason);
}

static void take_message(struct fr_conn *c)
{
	struct fr_ws *ws = c->ws;
	bool text = ws->opcode == WSLAY_TEXT_FRAME;
	const char *p = ws->message ? ws->message : "";

	ws->opcode = 0;
	if (text && !fr_utf8_valid(p, ws->len)) {
		fail(c, 1007);
		return;
	}
	c->srv->app.on_ws_message(c->srv->app.data, &c->x, text, p, ws->len);
	ws->len = 0;
	if (ws->cap > KEEP_MESSAGE) {
		free(ws->message);
		ws->message = NULL;
		ws->cap = 0;
	}
}

static void frame_end(struct fr_conn *c)
{
	struct fr_ws *ws = c->ws;
	struct fr_bytes control = { (char *)ws->control, ws->control_len };

	ws->in_frame = false;
	switch (ws->frame_opcode) {
	case WSLAY_CONNECTION_CLOSE:
		take_close(c);
		break;
	case WSLAY_PING:
		if (!ws->close_sent && send_frame(c, WSLAY_PONG, control, NULL, NULL))
			return;
		break;
	case WSLAY_PONG:
		break;
	default:
		if (ws->close_sent || ws->ended)
			ws->opcode = ws->frame_fin ? 0 : ws->opcode; /* nobody is to have it */
		else if (ws->frame_fin)
			take_message(c);
	}
}

/* A frame has begun: whether it may, or the code that it may not by. */
static unsigned frame_begin(struct fr_conn *c, const struct wslay_frame_iocb *f)
{
	struct fr_ws *ws = c->ws;

	if (!f->mask || f->rsv)
		return 1002;
	switch (f->opcode) {
	case WSLAY_TEXT_FRAME:
	case WSLAY_BINARY_FRAME:
		if (ws->opcode)
			return 1002;
		ws->opcode = f->opcode;
		ws->len = 0;
		break;
	case WSLAY_CONTINUATION_FRAME:
		if (!ws->opcode)
			return 1002;
		break;
	case WSLAY_CONNECTION_CLOSE:
	case WSLAY_PING:
	case WSLAY_PONG:
		ws->control_len = 0;
		break;
	default:
		return 1002;
	}
	if (!wslay_is_ctrl_frame(f->opcode) &&
	    f->payload_length > c->srv->limits.ws_message - ws->len)
		return 1009;
	ws->in_frame = true;
	ws->frame_opcode = f->opcode;
	ws->frame_fin = f->fin;
	ws->frame_left = f->payload_length;
	return 0;
}

/* Memory follows what was received, not what a frame announces. */
static int message_add(struct fr_ws *ws, const uint8_t *p, size_t len)
{
	size_t need = ws->len + len;

	if (!len)
		return 0;
	if (need > ws->cap) {
		size_t cap = ws->cap ? ws->cap * 2 : FIRST_MESSAGE;
		char *bigger;

		if (cap < need)
			cap = need;
		bigger = realloc(ws->message, cap);
		if (!bigger)
			return FR_ENOMEM;
		ws->message = bigger;
		ws->cap = cap;
	}
	memcpy(ws->message + ws->len, p, len);
	ws->len = need;
	return 0;
}

static void take(struct fr_conn *c, const struct wslay_frame_iocb *f)
{
	struct fr_ws *ws = c->ws;

	if (!ws->in_frame) {
		unsigned code = frame_begin(c, f);

		if (code) {
			fail(c, code);
			return;
		}
	}
	if (wslay_is_ctrl_frame(ws->frame_opcode)) {
		memcpy(ws->control + ws->control_len, f->data, f->data_length);
		ws->control_len = (uint8_t)(ws->control_len + f->data_length);
	} else if (!ws->close_sent && !ws->ended && message_add(ws, f->data, f->data_length)) {
		fail(c, 1011);
		return;
	}
	ws->frame_left -= f->data_length;
	if (!ws->frame_left)
		frame_end(c);
}

/* Answers to pings wait as other bytes do: who doesn't read them is not read. */
static bool held_up(const struct fr_conn *c)
{
	return (c->x.paused && !c->ws->close_sent && !c->ws->ended) ||
	       c->queued > c->srv->limits.write_queue;
}

bool fr_ws_reads(const struct fr_conn *c)
{
	return !held_up(c);
}

/* What was received, as far as it may be taken now. */
static void take_frames(struct fr_conn *c)
{
	struct fr_ws *ws = c->ws;

	while (!c->dead && c->tx != FR_TX_ENDED && !held_up(c)) {
		struct wslay_frame_iocb f = { 0 };
		ssize_t n;

		if (ws->close_got) {
			/* Nothing follows a close frame; and who has sent one may end its side. */
			if (c->in)
				c->in->rd = c->in->wr;
			return;
		}
		n = wslay_frame_recv(ws->frames, &f);
		if (n == WSLAY_ERR_WANT_READ) {
			if (c->eof)
				fr_conn_fail(c);
			return;
		}
		if (n < 0)
			fail(c, 1002);
		else
			take(c, &f);
	}
}

bool fr_ws_run(struct fr_conn *c)
{
	take_frames(c);
	/* What had come before is the application's: it gets its turn, and may answer it. */
	if (c->srv->draining && !c->dead && c->tx != FR_TX_ENDED && !c->ws->ended)
		end_with(c, 1012, (struct fr_bytes){ NULL, 0 });
	if (c->ws->due && c->ws->close_sent)
		send_due(c); /* the application has closed it meanwhile */
	return !c->dead && c->tx == FR_TX_ENDED;
}

/* ---- time ---- */

enum fr_timer_kind fr_ws_timer(const struct fr_conn *c)
{
	if (c->ws->close_sent)
		return FR_TIMER_WS_CLOSE;
	return c->ws->due ? FR_TIMER_WS_HOLD : FR_TIMER_PING;
}

void fr_ws_timeout(struct fr_conn *c, enum fr_timer_kind kind)
{
	struct fr_ws *ws = c->ws;
	struct fr_bytes none = { NULL, 0 };
	struct pollfd p = { .fd = c->fd };

	if (c->tx == FR_TX_ENDED)
		return; /* the timeout of the write guards */
	if (kind == FR_TIMER_WS_CLOSE) {
		finish(c);
	} else if (kind == FR_TIMER_WS_HOLD) {
		send_due(c);
		if (!c->dead && c->full) {
			c->full = false; /* who waits to send learns that it can't */
			c->srv->app.on_drain(c->srv->app.data, &c->x);
		}
	} else if (held_up(c)) {
		/* Its answer may lie unread here; a reset is seen nevertheless. */
		if (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)))
			fr_conn_fail(c);
	} else if (ws->asked) {
		FR_COUNT_ADD(c->srv->counters->timeouts, 1);
		fail(c, 1011);
	} else if (!send_frame(c, WSLAY_PING, none, NULL, NULL)) {
		ws->asked = true;
	}
}
