#include <stdlib.h>
#include <string.h>

#include "http/ws.h"
#include "net/conn.h"

#define MAX_BLANKS 8 /* empty lines tolerated before a request */

void fr_request_close(struct fr_conn *c, bool ok)
{
	if (!c->x.active)
		return;
	c->x.active = false;
	c->srv->closed = true;
	c->srv->app.on_close(c->srv->app.data, &c->x, ok);
	c->x.data = NULL;
}

void fr_request_drop_body(struct fr_conn *c)
{
	free(c->body);
	c->body = NULL;
	c->body_len = c->body_cap = 0;
}

/* The machine: each step returns whether another may follow at once. */

static void next_message(struct fr_conn *c)
{
	struct fr_block *in = c->in;

	if (c->head && c->head != in)
		fr_block_give(c->srv, c->head);
	c->head = NULL;
	if (in)
		in->pin = 0;
	fr_request_drop_body(c);
	c->x = (struct fr_exchange){ 0 };
	c->rx = FR_RX_HEAD;
	c->tx = FR_TX_NONE;
	c->discard = c->expect = c->full = c->chunked = c->no_body = c->broken = false;
	c->answer_left = -1;
	c->body_seen = 0;
	c->blanks = 0;
	if (c->eof && (!in || in->rd == in->wr))
		c->closing = FR_CLOSE;
}

/*
 * A body that was not read to its end stands between this answer and the
 * next request.  A short rest is read and forgotten; else the connection ends.
 */
bool fr_request_rest_is_short(const struct fr_conn *c)
{
	const struct fr_parser *p = &c->head->parser;

	if (c->rx != FR_RX_BODY)
		return true;
	if (c->expect || p->chunked)
		return false;
	return (uint64_t)p->head.content_length - c->body_seen <= FR_SMALL_REST;
}

/* The answer is complete and on its way. */
static void finish(struct fr_conn *c)
{
	bool rest;

	fr_request_close(c, !c->refused && !c->broken);
	if (c->dead)
		return;
	if (!c->keep || !fr_request_rest_is_short(c)) {
		/* Bytes that nobody reads would reset the connection, and the answer with it. */
		rest = c->refused || c->rx != FR_RX_DONE || (c->in && c->in->rd < c->in->wr);
		c->closing = rest ? FR_LINGER : FR_CLOSE;
		return;
	}
	c->tx = FR_TX_NONE;
	if (c->rx == FR_RX_BODY)
		c->discard = true;
	else
		next_message(c);
}

/* Makes room in a block whose head is not finished. */
static bool make_room(struct fr_conn *c)
{
	struct fr_block *in = c->in;

	if (in->rd) {
		memmove(in->data, in->data + in->rd, in->wr - in->rd);
		in->wr -= in->rd;
		in->rd = 0;
	} else if (fr_block_grow(c->srv, in, c->srv->limits.header_bytes + 1024)) {
		return false;
	}
	fr_parser_move(&in->parser, in->data);
	return true;
}

/* Empty lines before a request line; false: wait for more. */
static bool skip_blanks(struct fr_conn *c)
{
	struct fr_block *in = c->in;

	while (in->rd < in->wr && in->data[in->rd] == '\r' && c->blanks < MAX_BLANKS) {
		if (in->wr - in->rd < 2)
			return false;
		if (in->data[in->rd + 1] != '\n')
			return true;
		in->rd += 2;
		c->blanks++;
	}
	return in->rd < in->wr;
}

static void begin_exchange(struct fr_conn *c)
{
	struct fr_server *s = c->srv;
	struct fr_block *in = c->in;
	struct fr_parser *p = &in->parser;
	size_t max = s->limits.body;
	const char *why;
	int status;

	c->begun = false;
	c->head = in;
	in->rd += p->head_len;
	in->pin = in->rd;
	c->budget--;
	c->serial++;
	FR_COUNT_ADD(s->counters->requests, 1);
	c->rx = p->head.has_body ? FR_RX_BODY : FR_RX_DONE;
	c->expect = p->expect_continue;
	status = s->app.on_ws_message ? fr_ws_handshake(&p->head, &why) : 0;
	if (status == 426)
		fr_answer_upgrade(c, why);
	else if (status && status != 101)
		fr_answer_refuse(c, (unsigned)status, why);
	if (status && status != 101)
		return;
	c->x.active = true;
	c->x.websocket = status == 101;
	c->x.mode = s->app.on_head(s->app.data, &c->x, &max);
	if (c->dead)
		return;
	c->max_body = max < s->limits.body ? max : s->limits.body;
	if (p->head.content_length >= 0 && (uint64_t)p->head.content_length > c->max_body) {
		fr_answer_refuse(c, 413, "the body is too large");
		return;
	}
	if (c->x.mode == FR_BODY_BUFFER && p->head.has_body)
		return;
	c->x.requested = true;
	s->app.on_request(s->app.data, &c->x);
	if (c->x.mode == FR_BODY_STREAM && !p->head.has_body && !c->dead && c->tx != FR_TX_ENDED) {
		c->x.last = true;
		s->app.on_body(s->app.data, &c->x, NULL, 0, true);
	}
}

static bool step_head(struct fr_conn *c)
{
	struct fr_block *in = c->in;
	int r;

	if (!in || in->rd == in->wr)
		return false;
	if (!c->budget) {
		c->in_turn = false;
		fr_conn_defer(c);
		c->in_turn = true;
		return false;
	}
	if (!c->begun) {
		if (!skip_blanks(c)) {
			if (in->rd < in->wr) {
				in->data[0] = in->data[in->rd]; /* one CR */
				in->rd = 0;
				in->wr = 1;
			}
			if (c->eof)
				c->closing = FR_CLOSE;
			return false;
		}
		fr_parser_begin(&in->parser, in->data + in->rd);
		c->begun = true;
	}
	r = fr_parse_head(&in->parser, in->wr - in->rd);
	if (r == FR_PARSE_DONE) {
		begin_exchange(c);
		return true;
	}
	if (r == FR_PARSE_MORE && (in->wr < in->cap || make_room(c))) {
		if (c->eof)
			c->closing = FR_CLOSE;
		return false;
	}
	in->rd = in->wr;
	fr_answer_refuse(c, r < 0 ? (unsigned)-r : 503, r < 0 ? in->parser.why : "out of memory");
	c->begun = false;
	return true;
}

int fr_request_collect(struct fr_conn *c, const char *p, size_t len)
{
	size_t need = c->body_len + len;

	if (need > c->body_cap) {
		int64_t announced = c->head->parser.head.content_length;
		size_t cap = c->body_cap ? c->body_cap * 2 : FR_FIRST_BODY;
		char *body;

		if (announced >= 0 && cap > (uint64_t)announced)
			cap = (size_t)announced;
		if (cap < need)
			cap = need;
		body = realloc(c->body, cap);
		if (!body)
			return FR_ENOMEM;
		c->body = body;
		c->body_cap = cap;
	}
	if (p)
		memcpy(c->body + c->body_len, p, len);
	c->body_len = need;
	return 0;
}

/* A piece of the body, for the application or for the collection. */
static void take_piece(struct fr_conn *c, const char *p, size_t len, bool last)
{
	c->body_seen += len;
	if (c->discard)
		return;
	c->expect = false;
	if (c->body_seen > c->max_body) {
		fr_answer_refuse(c, 413, "the body is too large");
	} else if (c->x.mode == FR_BODY_STREAM) {
		if (c->tx == FR_TX_ENDED)
			return;
		c->x.last = last;
		c->srv->app.on_body(c->srv->app.data, &c->x, p, len, last);
	} else if (fr_request_collect(c, p, len)) {
		fr_answer_refuse(c, 503, "out of memory");
	}
}

static void end_body(struct fr_conn *c)
{
	const struct fr_app *app = &c->srv->app;

	c->rx = FR_RX_DONE;
	if (c->discard) {
		next_message(c);
	} else if (c->x.mode == FR_BODY_BUFFER) {
		if (!c->x.body.p)
			c->x.body = (struct fr_bytes){ c->body, c->body_len };
		c->x.requested = true;
		app->on_request(app->data, &c->x);
	} else if (!c->x.last && c->tx != FR_TX_ENDED) {
		c->x.last = true;
		app->on_body(app->data, &c->x, NULL, 0, true);
	}
}

/* No more bytes of the body are here. */
static bool want_body(struct fr_conn *c)
{
	if (c->eof) {
		if (c->tx == FR_TX_NONE && c->x.active)
			fr_answer_refuse(c, 400, "the body was cut off");
		else
			fr_conn_fail(c);
		return true;
	}
	if (c->expect && c->tx == FR_TX_NONE && !c->discard)
		fr_answer_continue(c);
	return false;
}

static bool step_sized(struct fr_conn *c)
{
	struct fr_block *in = c->in;
	uint64_t left = (uint64_t)c->head->parser.head.content_length - c->body_seen;
	size_t n = in ? in->wr - in->rd : 0;
	char *at = in ? in->data + in->rd : NULL;

	if (!left) {
		end_body(c);
		return true;
	}
	if (!n)
		return want_body(c);
	if (n > left)
		n = (size_t)left;
	in->rd += n;
	if (n == left && !c->body_seen && in == c->head && c->x.mode == FR_BODY_BUFFER &&
	    !c->discard) {
		/* All of it lies behind the head, and stays there. */
		in->pin = in->rd;
		c->body_seen = n;
		c->expect = false;
		c->x.body = (struct fr_bytes){ at, n };
	} else {
		take_piece(c, at, n, n == left);
	}
	return true;
}

static bool step_chunked(struct fr_conn *c)
{
	struct fr_block *in = c->in;
	struct fr_bytes part;
	size_t used = 0;
	int r;

	if (!in || in->rd == in->wr)
		return want_body(c);
	r = fr_parse_chunked(&c->head->parser, in->data + in->rd, in->wr - in->rd, &used, &part);
	if (r < 0) {
		in->rd = in->wr;
		if (c->x.active)
			fr_answer_refuse(c, (unsigned)-r, c->head->parser.why);
		else
			fr_conn_fail(c);
		return true;
	}
	in->rd += used;
	if (used)
		c->expect = false;
	if (r == FR_PARSE_PIECE)
		take_piece(c, part.p, part.len, false);
	else if (r == FR_PARSE_DONE)
		end_body(c);
	return true;
}

void fr_request_run(struct fr_conn *c)
{
	bool more = true;

	while (more && !c->dead && !c->closing) {
		if (c->tx == FR_TX_ENDED) {
			if (c->out)
				return;
			finish(c);
			continue;
		}
		switch (c->rx) {
		case FR_RX_HEAD:
			more = step_head(c);
			break;
		case FR_RX_BODY:
			if (c->x.paused && !c->discard)
				return;
			more = c->head->parser.chunked ? step_chunked(c) : step_sized(c);
			break;
		case FR_RX_WS:
			more = fr_ws_run(c);
			break;
		default:
			return;
		}
	}
}
