/*
 * WebSockets that come over sockets: ASGI's messages over net's.
 *
 * A request that asks for one runs the application's ASGI callable in a task
 * of its own; websocket.c and websocket_send.c are between its receive() and
 * send() (the steps of bridge.c) and the exchange.
 * Thread: the loop's, with the GIL where Python is touched.
 */
#ifndef FR_WORKERS_WEBSOCKET_H
#define FR_WORKERS_WEBSOCKET_H

#include "workers/bridge.h"

/* What a message that waits costs beside its bytes: empty ones are bounded, too. */
#define FR_WS_COST 128

/* A message that waits to be received. */
struct fr_ws_item {
	struct fr_ws_item *next;
	PyObject *payload; /* str or bytes */
	size_t cost;
};

/* Lives as long as the run. */
struct fr_websocket {
	struct fr_ws_item *first, **end;
	size_t waiting; /* their cost */
	PyObject *reason;
	uint32_t route; /* of the sealed image's; FR_NONE32: none */
	unsigned code; /* of the end */
	bool connect_told; /* "websocket.connect" was received */
	bool accepted;
	bool at_work; /* the application has a message, and has not asked for the next */
	bool closed; /* the application has closed or refused it */
	bool refusing; /* an answer was begun instead */
	bool ended; /* nothing more comes */
	bool end_told; /* and the application knows */
};

/* Starts the application's task for req, whose input is filled; takes the GIL. */
void fr_websocket_start(struct fr_request *req);

/* net's callbacks, as in struct fr_app. */
void fr_websocket_on_message(void *data, struct fr_exchange *x, bool text, const char *p,
                             size_t len);
void fr_websocket_on_end(void *data, struct fr_exchange *x, unsigned code, struct fr_bytes reason);

/* One try of receive(): 1 and the message; 0: nothing yet; -1 and an exception. */
int fr_websocket_receive(struct fr_bridge *b, PyObject **ret);

/* Takes a message of the application: an enum fr_sent, or -1 and an exception. */
int fr_websocket_message(struct fr_bridge *b, PyObject *message);

/* Entries of the scope that are a WebSocket's own; 0, or -1 and an exception. */
int fr_websocket_fill_scope(PyObject *scope, struct fr_request *req);

/* Reads on, if that was stopped. */
void fr_websocket_resume(struct fr_request *req);

/* The handshake's answer goes out: for the board. */
void fr_websocket_count(struct fr_request *req, unsigned status);

#endif
