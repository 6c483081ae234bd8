#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/ws.h"
#include "net/conn.h"

static struct fr_conn *conn_of(const struct fr_exchange *x)
{
	return FR_CONTAINER_OF((struct fr_exchange *)(uintptr_t)x, struct fr_conn, x);
}

const struct fr_head *fr_exchange_head(const struct fr_exchange *x)
{
	return &conn_of(x)->head->parser.head;
}

struct fr_bytes fr_exchange_body(const struct fr_exchange *x)
{
	return x->body;
}

void fr_exchange_set_data(struct fr_exchange *x, void *data)
{
	x->data = data;
}

void *fr_exchange_data(const struct fr_exchange *x)
{
	return x->data;
}

bool fr_exchange_started(const struct fr_exchange *x)
{
	return conn_of(x)->tx != FR_TX_NONE;
}

const char *fr_exchange_client(const struct fr_exchange *x, int *ret_port)
{
	struct fr_conn *c = conn_of(x);

	*ret_port = -1;
	if (c->peer.any.sa_family == AF_INET) {
		*ret_port = ntohs(c->peer.v4.sin_port);
		if (!c->client[0])
			inet_ntop(AF_INET, &c->peer.v4.sin_addr, c->client, sizeof(c->client));
	} else if (c->peer.any.sa_family == AF_INET6) {
		*ret_port = ntohs(c->peer.v6.sin6_port);
		if (!c->client[0])
			inet_ntop(AF_INET6, &c->peer.v6.sin6_addr, c->client, sizeof(c->client));
	}
	return c->client;
}

/* Most applications never ask, so the text is made at the first question. */
const char *fr_exchange_server(const struct fr_exchange *x, int *ret_port)
{
	struct fr_conn *c = conn_of(x);
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
		struct sockaddr_storage room;
	} at;
	socklen_t len = sizeof(at);
	char text[sizeof(at.un.sun_path) + 1] = "";

	if (!c->server) {
		memset(&at, 0, sizeof(at));
		c->server_port = -1;
		if (c->dead || getsockname(c->fd, &at.any, &len)) {
			*ret_port = -1;
			return "";
		}
		if (at.any.sa_family == AF_INET) {
			inet_ntop(AF_INET, &at.v4.sin_addr, text, sizeof(text));
			c->server_port = ntohs(at.v4.sin_port);
		} else if (at.any.sa_family == AF_INET6) {
			inet_ntop(AF_INET6, &at.v6.sin6_addr, text, sizeof(text));
			c->server_port = ntohs(at.v6.sin6_port);
		} else if (at.any.sa_family == AF_UNIX &&
		           len > offsetof(struct sockaddr_un, sun_path)) {
			memcpy(text, at.un.sun_path, sizeof(at.un.sun_path));
		}
		c->server = strdup(text);
	}
	*ret_port = c->server_port;
	return c->server ? c->server : "";
}

void fr_exchange_pause(struct fr_exchange *x)
{
	x->paused = true;
}

void fr_exchange_resume(struct fr_exchange *x)
{
	struct fr_conn *c = conn_of(x);

	if (!x->paused)
		return;
	x->paused = false;
	fr_conn_defer(c);
}

void fr_exchange_abort(struct fr_exchange *x)
{
	struct fr_conn *c = conn_of(x);

	/* Answers that are done wait in the cork: they are not lost with this one. */
	if (c->srv->turn == c)
		fr_out_uncork(c);
	fr_conn_fail(c);
}

static bool is_head(const struct fr_head *h)
{
	return h->method.len == 4 && !memcmp(h->method.p, "HEAD", 4);
}

/*
 * Settles how the answer is framed and whether the connection outlives it.
 * A whole answer knows whether the body was read in time; one that only
 * starts may see the rest of it yet, and is judged again at its end.
 */
static void decide(struct fr_conn *c, unsigned status, int64_t length, bool chunked, bool close,
                   bool whole)
{
	const struct fr_head *h = &c->head->parser.head;
	bool pending = c->in && c->in->rd < c->in->wr;

	c->no_body = is_head(h) || status == 204 || status == 304;
	c->chunked = chunked && length < 0 && h->minor > 0;
	c->answer_left = c->no_body ? -1 : length;
	c->keep = !close && !c->x.websocket && h->keep_alive && !c->srv->draining &&
	          (!c->eof || pending) && (whole ? fr_request_rest_is_short(c) : !c->expect);
	if (!c->no_body && !c->chunked && length < 0)
		c->keep = false;
	c->tx = FR_TX_STARTED;
}

static const char *connection_of(const struct fr_conn *c)
{
	if (!c->keep)
		return "close";
	return c->head->parser.head.minor ? NULL : "keep-alive";
}

static const struct fr_emit_date *date_of(struct fr_server *s)
{
	fr_emit_date_set(&s->date, (time_t)ev_now(s->loop));
	return &s->date;
}

/* Makes the head where the cork ends; it is sent, or held, from there. */
static int make_head(struct fr_conn *c, const struct fr_emit *e, struct fr_bytes *ret)
{
	char *p = fr_cork_room(c->srv, fr_emit_bound(e));

	if (!p)
		return FR_ENOMEM;
	ret->p = p;
	ret->len = (size_t)(fr_emit_head(e, p) - p);
	return 0;
}

static int may_start(const struct fr_conn *c, unsigned status)
{
	if (c->dead)
		return FR_EPIPE;
	if (!c->x.active || c->tx != FR_TX_NONE || status < 200 || status > 999)
		return FR_EINVAL;
	return 0;
}

int fr_exchange_start(struct fr_exchange *x, unsigned status, const struct fr_field *fields,
                      size_t nfields, enum fr_framing framing)
{
	struct fr_conn *c = conn_of(x);
	struct fr_bytes none = { NULL, 0 }, head;
	struct fr_emit_facts facts;
	struct fr_emit e;
	int err = may_start(c, status);

	if (!err)
		err = fr_emit_check(fields, nfields, &facts);
	if (err)
		return err;
	decide(c, status, facts.content_length, framing == FR_FRAMING_CHUNKED || facts.chunked,
	       facts.close, false);
	e = (struct fr_emit){
		.status = status,
		.date = date_of(c->srv),
		.own_date = facts.own_date,
		.own_server = facts.own_server,
		.content_length = -1,
		.fields = fields,
		.nfields = nfields,
		.chunked = c->chunked && status != 204 && status != 304,
		.connection = connection_of(c),
	};
	err = make_head(c, &e, &head);
	if (err) {
		c->tx = FR_TX_NONE;
		return err;
	}
	if (c->in_turn)
		return fr_out_send(c, head, none, none, NULL, NULL);
	/* The first piece of the body will most likely follow at once. */
	err = fr_out_hold(c, head);
	fr_conn_defer(c);
	return err;
}

static int piece(struct fr_conn *c, const char *p, size_t len, bool last, fr_release_fn *release,
                 void *owner)
{
	struct fr_bytes lead = { NULL, 0 }, tail = { NULL, 0 };
	char size[18];

	if (c->chunked) {
		if (len) {
			lead.p = size;
			lead.len = (size_t)(fr_emit_chunk_size(size, len) - size);
			tail = last ? (struct fr_bytes){ "\r\n0\r\n\r\n", 7 }
			            : (struct fr_bytes){ "\r\n", 2 };
		} else {
			tail = (struct fr_bytes){ "0\r\n\r\n", 5 };
		}
	}
	return fr_out_send(c, lead, (struct fr_bytes){ p, len }, tail, release, owner);
}

int fr_exchange_write(struct fr_exchange *x, const char *p, size_t len, bool last,
                      fr_release_fn *release, void *owner)
{
	struct fr_conn *c = conn_of(x);
	bool silent = c->no_body || (!len && (!last || !c->chunked));
	int err = 0;

	if (c->dead)
		err = FR_EPIPE;
	else if (!x->active || c->tx != FR_TX_STARTED ||
	         (c->answer_left >= 0 && len > (uint64_t)c->answer_left))
		err = FR_EINVAL;
	if (err || silent) {
		if (release)
			release(owner);
	} else {
		if (c->answer_left >= 0)
			c->answer_left -= (int64_t)len;
		err = piece(c, p, len, last, release, owner);
	}
	if (err)
		return err;
	if (last) {
		c->tx = FR_TX_ENDED;
		if (c->answer_left > 0) {
			c->broken = true;
			c->keep = false;
		}
		fr_conn_defer(c);
		return 0;
	}
	if (c->queued <= c->srv->limits.write_queue)
		return 0;
	c->full = true;
	return 1;
}

int fr_exchange_reply(struct fr_exchange *x, unsigned status, struct fr_bytes content_type,
                      const struct fr_field *extra, size_t nextra, const char *body, size_t len,
                      fr_release_fn *release, void *owner)
{
	struct fr_conn *c = conn_of(x);
	struct fr_bytes none = { NULL, 0 }, text = { body, len }, head;
	struct fr_emit_facts facts = { .content_length = -1 };
	struct fr_emit e;
	int err = may_start(c, status);

	if (!err && nextra)
		err = fr_emit_check(extra, nextra, &facts);
	if (!err &&
	    (facts.content_length >= 0 || facts.chunked || !fr_emit_value_valid(content_type)))
		err = FR_EINVAL;
	if (err)
		goto refused;
	decide(c, status, (int64_t)len, false, facts.close, true);
	e = (struct fr_emit){
		.status = status,
		.date = date_of(c->srv),
		.own_date = facts.own_date,
		.own_server = facts.own_server,
		.content_length = status == 204 || status == 304 ? -1 : (int64_t)len,
		.content_type = content_type,
		.fields = extra,
		.nfields = nextra,
		.connection = connection_of(c),
	};
	err = make_head(c, &e, &head);
	if (err) {
		c->tx = FR_TX_NONE;
		goto refused;
	}
	c->tx = FR_TX_ENDED;
	if (c->no_body) {
		err = fr_out_send(c, head, none, none, NULL, NULL);
		if (release)
			release(owner);
	} else {
		err = fr_out_send(c, head, text, none, release, owner);
	}
	fr_conn_defer(c);
	return err;
refused:
	if (release)
		release(owner);
	return err;
}

static void refuse(struct fr_conn *c, unsigned status, const char *why,
                   const struct fr_field *fields, size_t nfields, const char *connection)
{
	const struct fr_block *in = c->head ? c->head : c->begun ? c->in : NULL;
	struct fr_bytes none = { NULL, 0 }, head, body;
	char text[160];
	struct fr_emit e;
	int n;

	FR_COUNT_ADD(c->srv->counters->refused, 1);
	if (c->tx != FR_TX_NONE) {
		fr_conn_fail(c); /* half an answer can't be mended */
		return;
	}
	n = snprintf(text, sizeof(text), "%u %s: %s\n", status, fr_emit_phrase(status), why);
	body = (struct fr_bytes){ text, (size_t)n };
	e = (struct fr_emit){
		.status = status,
		.date = date_of(c->srv),
		.content_length = n,
		.content_type = { "text/plain; charset=utf-8", 25 },
		.fields = fields,
		.nfields = nfields,
		.connection = connection,
	};
	c->keep = false;
	c->refused = true;
	c->no_body = in && is_head(&in->parser.head);
	c->tx = FR_TX_ENDED;
	if (make_head(c, &e, &head) ||
	    fr_out_send(c, head, c->no_body ? none : body, none, NULL, NULL))
		fr_conn_fail(c);
}

void fr_answer_refuse(struct fr_conn *c, unsigned status, const char *why)
{
	refuse(c, status, why, NULL, 0, "close");
}

void fr_answer_upgrade(struct fr_conn *c, const char *why)
{
	static const struct fr_field fields[] = {
		{ { "upgrade", 7 }, { "websocket", 9 } },
		{ { "sec-websocket-version", 21 }, { "13", 2 } },
	};

	refuse(c, 426, why, fields, 2, "close, Upgrade");
}

bool fr_exchange_is_websocket(const struct fr_exchange *x)
{
	return x->websocket;
}

/* The request's head has served: what follows it belongs to the frames. */
static void give_head(struct fr_conn *c)
{
	if (c->head != c->in)
		fr_block_give(c->srv, c->head);
	c->head = NULL;
	if (c->in)
		c->in->pin = 0;
}

int fr_exchange_ws_accept(struct fr_exchange *x, const struct fr_field *fields, size_t nfields)
{
	struct fr_conn *c = conn_of(x);
	struct fr_bytes none = { NULL, 0 }, head;
	char accept[FR_WS_ACCEPT_BYTES + 1];
	struct fr_emit_facts facts = { .content_length = -1 };
	struct fr_field *all = NULL;
	struct fr_emit e;
	int err = may_start(c, 200);

	if (!err && (!x->websocket || c->rx != FR_RX_DONE))
		err = FR_EINVAL;
	if (!err)
		err = fr_emit_check(fields, nfields, &facts);
	if (!err && facts.content_length >= 0)
		err = FR_EINVAL;
	if (err)
		return err;
	all = malloc((nfields + 2) * sizeof(*all));
	if (!all || fr_ws_open(c)) {
		free(all);
		return FR_ENOMEM;
	}
	fr_ws_accept(fr_exchange_head(x), accept);
	all[0] = (struct fr_field){ { "upgrade", 7 }, { "websocket", 9 } };
	all[1] =
		(struct fr_field){ { "sec-websocket-accept", 20 }, { accept, FR_WS_ACCEPT_BYTES } };
	if (nfields)
		memcpy(all + 2, fields, nfields * sizeof(*all));
	e = (struct fr_emit){
		.status = 101,
		.date = date_of(c->srv),
		.own_date = facts.own_date,
		.own_server = facts.own_server,
		.content_length = -1,
		.fields = all,
		.nfields = nfields + 2,
		.connection = "Upgrade",
	};
	err = make_head(c, &e, &head);
	free(all);
	if (err) {
		fr_ws_free(c);
		return err;
	}
	c->keep = false;
	c->tx = FR_TX_STARTED;
	c->rx = FR_RX_WS;
	give_head(c);
	if (c->in_turn)
		return fr_out_send(c, head, none, none, NULL, NULL);
	err = fr_out_hold(c, head);
	fr_conn_defer(c);
	return err;
}

void fr_answer_continue(struct fr_conn *c)
{
	struct fr_bytes none = { NULL, 0 };
	struct fr_bytes text = { "HTTP/1.1 100 Continue\r\n\r\n", 25 };

	c->expect = false;
	if (fr_out_send(c, text, none, none, NULL, NULL))
		fr_conn_fail(c);
}
