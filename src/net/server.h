/*
 * The HTTP server of one loop: listeners, connections, limits, timeouts.
 *
 * A worker makes one on its loop, hands it listening sockets and the table of
 * callbacks (net/app.h), and drains it at the end.  Everything runs on the
 * loop's thread.  The server owns its connections, never the listening
 * descriptors or the loop.
 */
#ifndef FR_NET_SERVER_H
#define FR_NET_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/traffic.h"
#include "net/app.h"

struct ev_loop;
struct fr_server;

/* Bounds; what they mean is told in fastrapi.conf's reference.  Each counts as it is given, zero too. */
struct fr_net_limits {
	uint64_t uri; /* bytes of a request's target: 414 */
	uint64_t header_bytes; /* of a head, request line included: 431 */
	uint64_t headers; /* number of fields: 431 */
	uint64_t body; /* bytes: 413 */
	uint64_t chunk_extensions; /* bytes in one body */
	uint64_t trailer_bytes;
	uint64_t write_queue; /* bytes unwritten: the high mark; the low one is a quarter */
	uint64_t connections; /* then listeners pause */
	uint64_t pipeline; /* requests answered in one turn before others get theirs */
	uint64_t accepts; /* connections taken in one turn: 16; 1 spreads them over workers */
	double header_timeout; /* the whole head, seconds: 408 */
	double body_timeout; /* the whole body, unless the application paused it: 408 */
	double idle_timeout; /* between requests */
	double write_timeout; /* without progress of a write */
	uint64_t ws_message; /* bytes of a WebSocket's message: 1009 */
	double ws_ping; /* how often a WebSocket's client is asked whether it is there */
	double ws_close; /* for it to answer a close frame */
	double ws_hold; /* that an application may hold back a close frame, from each call on */
	double linger_timeout; /* reading on after the last answer, so that it can be read */
	bool shared; /* other processes accept from the same sockets: what this one can't take is theirs */
};

/* What the tests take, and callers who have nothing to say about one of them. */
void fr_net_limits_init(struct fr_net_limits *ret);

/* app is copied; NULL when memory is short. */
struct fr_server *fr_server_new(struct ev_loop *loop, const struct fr_app *app,
                                const struct fr_net_limits *limits);

/* Accepts from fd (listening, non-blocking, not owned) as soon as the loop runs. */
int fr_server_listen(struct fr_server *s, int fd) FR_MUST_CHECK;

/* Serves one connected, non-blocking socket, which the server then owns. */
int fr_server_adopt(struct fr_server *s, int fd) FR_MUST_CHECK;

/* on_empty: no connection is left; called once, from the loop. */
typedef void fr_drained_fn(void *data);

/*
 * Ends gracefully: accepts what is queued and no more, closes idle
 * connections after grace seconds (0: at once; more than the idle timeout: as
 * ever) and every other one after its answer.  Does not use the listening
 * descriptors afterwards.  A second call may shorten the grace.  Forcing the
 * end after a limit is the caller's: fr_server_free.
 */
void fr_server_drain(struct fr_server *s, double grace, fr_drained_fn *on_empty, void *data);

/* Closes whatever is left (on_close follows for each exchange) and frees; not from a callback of app. */
void fr_server_free(struct fr_server *s);

/* Counts there, in memory of the caller's, and no longer in its own; before any connection. */
void fr_server_count_in(struct fr_server *s, struct fr_traffic *there);
const struct fr_traffic *fr_server_counters(const struct fr_server *s);

#endif
