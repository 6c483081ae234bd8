/*
 * A connection from the inside: what the files of net/ share.
 *
 * One exchange is active on a connection; it is part of it.  All work on a
 * connection happens in a turn (fr_conn_turn): the machine runs as far as it
 * can, answers made meanwhile are collected (corked) in the server's buffer,
 * and the turn's end writes them, closes, or frees.  Whoever changes a
 * connection outside of a turn (an application that answers later) asks for
 * one with fr_conn_defer.  Only a turn's end frees.
 */
#ifndef FR_NET_CONN_H
#define FR_NET_CONN_H

#include <ev.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "http/emit.h"
#include "http/parse.h"
#include "net/app.h"
#include "net/server.h"

#define FR_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define FR_BLOCK_BYTES 16384u /* of a pooled block */
#define FR_POOLED_BLOCKS 64u
#define FR_CORK_BYTES 65536u
#define FR_CORK_PIECE 16384u /* longer bodies are written from where they are */
#define FR_SMALL_REST 65536u /* an unread body that long is read to keep the connection */
#define FR_FIRST_BODY 65536u /* first allocation for a body; it doubles from there */
#define FR_MAX_LISTENERS 64u

struct fr_link {
	struct fr_link *prev, *next;
};

/* Timeouts of one length each, so that appending keeps a list ordered by deadline. */
enum fr_timer_kind {
	FR_TIMER_HEADER,
	FR_TIMER_BODY,
	FR_TIMER_IDLE,
	FR_TIMER_LINGER,
	FR_TIMER_CHECK, /* nothing is read: look now and then whether the client is there */
	FR_TIMER_PING, /* a WebSocket: is the client there? */
	FR_TIMER_WS_CLOSE, /* it has not answered our close frame */
	FR_TIMER_WS_HOLD, /* the application holds it back */
	FR_TIMER_WRITE,
	FR_TIMER_KINDS,
	FR_TIMER_NONE = FR_TIMER_KINDS,
};

struct fr_timer {
	struct fr_link link;
	double deadline; /* in the server's clock */
	uint8_t kind;
};

/* A receive buffer together with the parser of the head in it; pooled. */
struct fr_block {
	struct fr_block *next;
	size_t rd, wr, cap; /* unread bytes: data[rd, wr) */
	size_t pin; /* bytes below belong to the exchange */
	char *data; /* inside the block, or allocated when a head is long */
	struct fr_parser parser;
	struct fr_field fields[];
};

/* What waits for the socket to take it. */
struct fr_out {
	struct fr_out *next;
	const char *p;
	size_t len;
	fr_release_fn *release;
	void *owner;
	char copy[];
};

enum fr_rx {
	FR_RX_HEAD, /* between requests, or within a head */
	FR_RX_BODY,
	FR_RX_DONE, /* the request is there, the application has it */
	FR_RX_WS, /* frames of a WebSocket */
	FR_RX_LINGER, /* answered for good: reads and forgets */
};

enum fr_tx {
	FR_TX_NONE,
	FR_TX_STARTED,
	FR_TX_ENDED, /* the application has given all */
};

enum fr_closing { FR_STAY, FR_CLOSE, FR_LINGER };

struct fr_exchange {
	void *data;
	struct fr_bytes body;
	enum fr_body_mode mode;
	bool active; /* on_head was called, on_close was not */
	bool requested; /* on_request was called */
	bool paused;
	bool last; /* STREAM: on_body has seen the end */
	bool half_closed; /* on_half_close was called */
	bool websocket; /* asked for, validly */
};

struct fr_conn {
	struct fr_server *srv;
	ev_io rio, wio;
	int fd;

	uint8_t rx; /* enum fr_rx */
	uint8_t tx; /* enum fr_tx */
	uint8_t closing; /* enum fr_closing: what follows the answers' writing */
	bool in_turn, deferred;
	bool dead; /* the descriptor is closed; the turn's end frees */
	bool eof; /* the client has closed its side */
	bool begun; /* the parser has begun a head */
	bool keep; /* the connection outlives this answer */
	bool expect; /* 100 (Continue) is still due */
	bool discard; /* the rest of the body interests nobody */
	bool full; /* over the high mark: on_drain is due */
	bool chunked; /* the answer's body */
	bool no_body; /* HEAD, 204, 304 */
	bool refused; /* net answered itself */
	bool broken; /* the answer ended before its content-length */
	uint8_t blanks; /* empty lines before a head */

	struct fr_timer rtimer, wtimer;
	struct fr_link all; /* of srv->conns */
	struct fr_conn *next_deferred;

	struct fr_block *in; /* being read */
	struct fr_block *head; /* holds the exchange's head */
	struct fr_exchange x;
	unsigned budget; /* requests left in this turn */
	uint64_t serial; /* counts requests, so that timers see a new one */
	uint64_t timer_serial;

	uint64_t max_body, body_seen;
	char *body; /* collected, when it isn't whole in the head's block */
	size_t body_len, body_cap;

	struct fr_ws *ws; /* once accepted; ws.c */

	int64_t answer_left; /* bytes of the announced content-length; -1: not announced */
	struct fr_out *out, **out_end;
	size_t queued;

	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer; /* AF_UNSPEC: unix, or not known */
	char client[INET6_ADDRSTRLEN];
	struct fr_listening *from; /* may be NULL */
	char *server; /* made when asked for */
	int server_port;
};

struct fr_listening {
	ev_io io;
	struct fr_server *srv;
	int fd;
	unsigned waited; /* looks in a row that found a connection which nobody took */
};

struct fr_server {
	struct ev_loop *loop;
	struct fr_app app;
	struct fr_net_limits limits;
	struct fr_parse_limits parse_limits;
	struct fr_traffic *counters, own_counters;
	struct fr_emit_date date;

	struct fr_listening *listening[FR_MAX_LISTENERS];
	size_t nlistening;
	int reserve_fd; /* given up to refuse a connection when descriptors run out */
	bool accepting;
	uint64_t refused_accepts;
	double last_warning; /* of what can't be accepted */
	ev_timer retry; /* accepting rests until then */

	struct fr_link conns;
	ev_timer sweep;
	double clock; /* seconds; stands still while the loop is held up */
	double last_sweep, interval;
	struct fr_link timers[FR_TIMER_KINDS];
	double timeouts[FR_TIMER_KINDS];

	ev_timer defer; /* never started: fed with events */
	struct fr_conn *deferred, **deferred_end;

	struct fr_block *blocks;
	unsigned nblocks;

	struct fr_conn *turn; /* whose callbacks run */
	char *cork;
	size_t cork_len, cork_cap;
	bool closed; /* on_close was called: on_flush is due at the outermost turn's end */
	size_t turn_base; /* where the corked bytes of the current turn begin */

	bool draining;
	bool empty_due; /* on_empty is to be called */
	fr_drained_fn *on_empty;
	void *on_empty_data;
};

/* timers.c */
void fr_timers_init(struct fr_server *s);
void fr_timers_fini(struct fr_server *s);
void fr_timers_wake(struct fr_server *s); /* there is a connection */
void fr_timer_set(struct fr_server *s, struct fr_timer *t, enum fr_timer_kind kind);
void fr_timer_stop(struct fr_timer *t);
void fr_timers_interval(struct fr_server *s);

/* listener.c */
void fr_listen_init(struct fr_server *s);
void fr_listen_fini(struct fr_server *s);
void fr_listen_resume(struct fr_server *s);
void fr_listen_pause(struct fr_server *s);
void fr_listen_rest(struct fr_server *s); /* takes what waits to be accepted */

/* conn.c */
int fr_conn_open(struct fr_server *s, int fd, const struct sockaddr *peer, socklen_t len,
                 struct fr_listening *from);
void fr_conn_turn(struct fr_conn *c);
void fr_conn_defer(struct fr_conn *c);
void fr_conn_fail(struct fr_conn *c); /* the socket is of no use any more */
void fr_conn_timeout(struct fr_conn *c, enum fr_timer_kind kind);
bool fr_conn_is_idle(const struct fr_conn *c); /* nothing of a request was received */
void fr_conn_undefer(struct fr_conn *c);

/* request.c: from bytes to the application, one request after the other */
void fr_request_run(struct fr_conn *c);
void fr_request_close(struct fr_conn *c, bool ok);
bool fr_request_rest_is_short(const struct fr_conn *c);
void fr_request_drop_body(struct fr_conn *c);
int fr_request_collect(struct fr_conn *c, const char *p, size_t len) FR_MUST_CHECK;

/* server.c */
void fr_server_check_empty(struct fr_server *s);

/* block.c */
struct fr_block *fr_block_take(struct fr_server *s);
void fr_block_give(struct fr_server *s, struct fr_block *b);
int fr_block_grow(struct fr_server *s, struct fr_block *b, size_t max) FR_MUST_CHECK;
void fr_blocks_fini(struct fr_server *s);

/* out.c: bytes on their way to the socket */
char *fr_cork_room(struct fr_server *s, size_t room);
int fr_out_send(struct fr_conn *c, struct fr_bytes lead, struct fr_bytes body, struct fr_bytes tail,
                fr_release_fn *release, void *owner) FR_MUST_CHECK;
int fr_out_hold(struct fr_conn *c, struct fr_bytes bytes) FR_MUST_CHECK; /* for the next send */
void fr_out_uncork(struct fr_conn *c);
void fr_out_flush(struct fr_conn *c);
void fr_out_drop(struct fr_conn *c);

/* ws.c: the connection is a WebSocket */
int fr_ws_open(struct fr_conn *c) FR_MUST_CHECK;
void fr_ws_free(struct fr_conn *c);
bool fr_ws_run(struct fr_conn *c); /* whether the machine may go on */
bool fr_ws_reads(const struct fr_conn *c);
enum fr_timer_kind fr_ws_timer(const struct fr_conn *c);
void fr_ws_timeout(struct fr_conn *c, enum fr_timer_kind kind);

/* answer.c */
void fr_answer_upgrade(struct fr_conn *c, const char *why); /* 426 */
void fr_answer_refuse(struct fr_conn *c, unsigned status, const char *why);
void fr_answer_continue(struct fr_conn *c);

#endif
