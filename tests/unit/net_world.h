/*
 * A server on a loop of its own, over real sockets, for the tests of net/: a
 * client thread plays a script; the test looks at what it received, and at
 * what the application was told.
 */
#ifndef FR_TESTS_NET_WORLD_H
#define FR_TESTS_NET_WORLD_H

#include <ev.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/server.h"

/* The client */

enum act_kind {
	END,
	SEND,
	SEND_BYTES,
	SEND_MANY,
	PAUSE,
	SHUT,
	RESET,
	READ_ALL,
	READ_SOME,
	CLOSE,
	GIVEN_UP
};

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
	sem_t begun; /* what it says first is in the socket */
	const atomic_uint *closed_bad; /* the world's */
};

/* The application, whose answer depends on the path, and what it has seen. */

struct world {
	struct ev_loop *loop;
	struct fr_server *server;
	struct client client;
	ev_async done;
	bool drain_on_request;
	unsigned heads, requests, closed_ok, given, released, half_closed, drains;
	atomic_uint closed_bad;
	size_t most_unread; /* bytes written before the queue was reported full */
	size_t produced, since_drain;
	bool last_seen, drained;
	int reported_full; /* by the write in on_body of /resumed */
	uint64_t sent_when_closed, sent_when_flushed; /* bytes, at the last of these calls */
	unsigned in_flight, most_in_flight;
};

/* A server without a listener, with the limits given or those of the tests. */
void world_init(struct world *w, const struct fr_net_limits *limits);
void world_fini(struct world *w);
void world_on_empty(void *data); /* for fr_server_drain() */

/* A listening socket at a free port. */
int listen_inet(struct sockaddr_in *at);

/*
 * Plays on one connection, then waits until the server has closed it; takes a
 * new world.  What the client says first is there when the server accepts, so
 * that no time limit ends before it.
 */
void play(struct world *w, const struct fr_net_limits *limits, const struct act *acts);

unsigned count(const char *text, const char *what);
void assert_has(const struct world *w, const char *what);

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
/* Until the server has ended an exchange that is not over, reading nothing. */
#define UNREAD                                                                                     \
	{                                                                                          \
		GIVEN_UP, NULL, 0                                                                  \
	}
#define SOME(n)                                                                                    \
	{                                                                                          \
		READ_SOME, NULL, n                                                                 \
	}

#endif
