/*
 * The seam between a connection and whatever answers its requests.
 *
 * net/ parses, limits, times out and writes; it never names a route or a
 * PyObject.  The application (workers/) gets exchanges and answers them.
 *
 * Everything here is called on the loop's thread.  Ownership: the exchange
 * belongs to its connection, which frees it after on_close.  The application
 * may hold the pointer until on_close was called for it, and not longer.
 * What an exchange points to (head, body) is pinned until then.
 *
 * No function here calls back into the application before it returns,
 * except where it says so.
 */
#ifndef FR_NET_APP_H
#define FR_NET_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/head.h"

struct fr_exchange; /* one request and its answer */
struct fr_conn;

enum fr_body_mode {
	FR_BODY_BUFFER, /* call on_request once, with the whole body */
	FR_BODY_STREAM, /* call on_request at once, then on_body for each piece */
};

/* How an answer's body ends. */
enum fr_framing {
	FR_FRAMING_LENGTH, /* the head has content-length, or has no body by its status */
	FR_FRAMING_CHUNKED, /* net adds transfer-encoding: chunked (HTTP/1.0: ends by close) */
};

/* Frees a body that was handed over; called once, on the loop's thread. */
typedef void fr_release_fn(void *owner);

struct fr_app {
	void *data; /* handed to every callback */

	/* on_request is needed, and on_ws_end with on_ws_message; the others may be NULL. */

	/*
	 * The head is there; nothing of the body was read.  Decides how the body
	 * is to arrive, and may lower its limit (*max_body, bytes).  No Python.
	 * NULL: BUFFER.
	 */
	enum fr_body_mode (*on_head)(void *data, struct fr_exchange *x, size_t *max_body);

	/* BUFFER: head and whole body are there.  STREAM: the head is. */
	void (*on_request)(void *data, struct fr_exchange *x);

	/*
	 * STREAM only: a piece (len > 0), or the end (last, len may be 0).  The
	 * bytes are there during the call only.
	 */
	void (*on_body)(void *data, struct fr_exchange *x, const char *p, size_t len, bool last);

	/* The write queue, once reported full, has drained below its low mark, or is closed. */
	void (*on_drain)(void *data, struct fr_exchange *x);

	/*
	 * The last call for this exchange: the answer is written (ok) or will
	 * never be (the client left, a timeout, a failure).  An application that
	 * still runs learns of the disconnect here.  It follows every on_head,
	 * even where on_request never came (a body too large, or cut off).
	 */
	void (*on_close)(void *data, struct fr_exchange *x, bool ok);

	/*
	 * Answers are collected, so on_close may come before the socket has the
	 * last bytes.  After one or more on_close: it has them now, or as much as
	 * it takes.
	 */
	void (*on_flush)(void *data);

	/*
	 * The whole request is there and the client has closed its sending side:
	 * it may be gone, or it may wait for the answer, which is still written.
	 * At most once an exchange.
	 */
	void (*on_half_close)(void *data, struct fr_exchange *x);

	/*
	 * WebSockets; NULL: requests for one are served as if they asked for
	 * nothing.  A valid one comes by on_head and on_request as others do, and
	 * is accepted, or answered.  Once accepted: a whole message (text is valid
	 * UTF-8), whose bytes are there during the call only.
	 */
	void (*on_ws_message)(void *data, struct fr_exchange *x, bool text, const char *p,
	                      size_t len);

	/*
	 * At most once: no message will come any more.  The client closed (its
	 * code, or 1005), broke the protocol (the code that it was told), or the
	 * server drains (1012).  Our close frame goes out when this returns, unless
	 * the application holds it.  on_close follows, when the connection has
	 * ended; it comes alone when the client left without a word.
	 */
	void (*on_ws_end)(void *data, struct fr_exchange *x, unsigned code, struct fr_bytes reason);
};

const struct fr_head *fr_exchange_head(const struct fr_exchange *x);

/* The whole body of a BUFFER exchange. */
struct fr_bytes fr_exchange_body(const struct fr_exchange *x);

/* The application's own pointer, NULL at first. */
void fr_exchange_set_data(struct fr_exchange *x, void *data);
void *fr_exchange_data(const struct fr_exchange *x);

/* "127.0.0.1" and port of the peer and of the listener; unix: "" or the path, port -1. */
const char *fr_exchange_client(const struct fr_exchange *x, int *ret_port);
const char *fr_exchange_server(const struct fr_exchange *x, int *ret_port);

/* STREAM: stop and go on reading; back-pressure on the client. */
void fr_exchange_pause(struct fr_exchange *x);
void fr_exchange_resume(struct fr_exchange *x);

/*
 * Starts the answer.  Fields are written as given, after being checked: a bad
 * name, or a control character other than tab in a value, is FR_EINVAL, and
 * nothing is written.
 * net adds date, server, connection and, when framing says so,
 * transfer-encoding; it never adds content-length.  With LENGTH and no
 * content-length field the body ends by close, but for bodiless statuses.
 * Bytes beyond content-length are FR_EINVAL, fewer close the connection.
 * Returns 0 or a negative enum fr_err.
 */
int fr_exchange_start(struct fr_exchange *x, unsigned status, const struct fr_field *fields,
                      size_t nfields, enum fr_framing framing);

/*
 * A piece of the body; last ends the answer.  Takes ownership of owner (may
 * be NULL: then the bytes are copied) whatever it returns, and releases it
 * when they are written.  Returns 0, 1 when the queue is over its high mark
 * (wait for on_drain), or a negative enum fr_err (FR_EPIPE: the client left).
 */
int fr_exchange_write(struct fr_exchange *x, const char *p, size_t len, bool last,
                      fr_release_fn *release, void *owner);

/*
 * A whole answer in one call, the common case: status, content-length and
 * content_type are emitted from prebuilt text, then extra fields, then the
 * body.  Ownership of the body as in fr_exchange_write.
 */
int fr_exchange_reply(struct fr_exchange *x, unsigned status, struct fr_bytes content_type,
                      const struct fr_field *extra, size_t nextra, const char *body, size_t len,
                      fr_release_fn *release, void *owner);

/*
 * Ends the connection without (the rest of) an answer; those before it are
 * sent.  on_close may follow at once.
 */
void fr_exchange_abort(struct fr_exchange *x);

/* The request asks for a WebSocket, validly. */
bool fr_exchange_is_websocket(const struct fr_exchange *x);

/*
 * Answers 101 with these fields beside those of the handshake; from then on
 * the exchange's head must not be used.  Returns 0 or a negative enum fr_err.
 */
int fr_exchange_ws_accept(struct fr_exchange *x, const struct fr_field *fields, size_t nfields);

/*
 * Sends a message, in one frame.  Ownership and what is returned are those of
 * fr_exchange_write; FR_EPIPE also if a close frame was sent.
 * That text is UTF-8 is the caller's part.  fr_exchange_pause and
 * fr_exchange_resume stop and start reading.
 */
int fr_exchange_ws_send(struct fr_exchange *x, bool text, const char *p, size_t len,
                        fr_release_fn *release, void *owner);

/*
 * Sends a close frame and waits, for a bounded time, for the client's.  Code
 * 1005: a frame without code.  FR_EINVAL: code or reason can't be sent.
 */
int fr_exchange_ws_close(struct fr_exchange *x, unsigned code, struct fr_bytes reason);

/*
 * In on_ws_end, and as often as something was done after it: messages that
 * came before the end are still being answered, so our close frame, which
 * nothing may follow, waits; for limits.ws_hold at most from the last call on.
 * Without an end that can be held (a broken frame) this does nothing.
 */
void fr_exchange_ws_hold(struct fr_exchange *x);
void fr_exchange_ws_release(struct fr_exchange *x);

/* The answer has been started. */
bool fr_exchange_started(const struct fr_exchange *x);

#endif
