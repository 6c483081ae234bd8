/*
 * Requests that come over sockets: struct fr_transport over net's exchanges.
 *
 * socket.c carries a request from its exchange through a run; bridge.c makes
 * ASGI's scope, receive and send for it.  One struct fr_socket a worker.
 * Thread: the loop's.  A request lives until its exchange was closed and its
 * run is over, whichever comes last; then it goes back to the pool.
 */
#ifndef FR_WORKERS_SOCKET_H
#define FR_WORKERS_SOCKET_H

#include "workers/python.h"

#include <stdbool.h>

#include "net/app.h"
#include "workers/board.h"
#include "workers/loop.h"
#include "workers/run.h"

struct fr_bridge_names;

struct fr_socket {
	struct fr_app app; /* what net calls */
	struct fr_loop *loop;
	struct fr_program *program; /* counted: the sealed image's, for on_head */
	PyObject *lifespan_state; /* dict; each scope gets a copy */
	struct fr_bridge_names *names;
	struct fr_request *pool; /* free ones, linked by next */
	size_t npool;
	struct fr_request *live; /* those whose run waits in a task */
	size_t nlive;
	uint64_t next_id;
	struct fr_wboard *board; /* NULL: none */
};

/* One request: what the executor reads, and what became of it. */
struct fr_request {
	struct fr_input in;
	struct fr_socket *sock;
	struct fr_exchange *x; /* NULL once closed */
	struct fr_request *next, *prev; /* in live; next in pool */
	PyObject *run;
	PyObject *task; /* if it had to wait */
	PyObject *bridge; /* if ASGI was asked for; bridge.c */
	struct fr_websocket *websocket; /* while the run of one goes on; websocket.c */
	PyObject *body_waiter; /* future: body() waits for the rest */
	char *head; /* copy of the exchange's; the memory serves the next request, too */
	size_t head_cap;
	struct fr_span raw_path;
	struct fr_flight flight; /* on the board */
	unsigned status; /* of an answer that was begun */
	char *body; /* STREAM: what came and was not taken; BUFFER: all of it, once closed */
	size_t body_len, body_cap;
	uint32_t refs; /* the exchange, the run, whoever is at work on it */
	uint8_t major, minor; /* of HTTP */
	bool stream; /* the body arrives in pieces */
	bool body_ended;
	bool paused; /* reading is */
	bool starting; /* the run's first steps are on the stack */
	bool left; /* the client sends no more */
	bool listed; /* in live */
	bool over; /* the run is */
	bool completed; /* the whole answer was handed to net */
};

/* More than this of a body waits for the application: reading pauses. */
#define FR_SOCKET_HIGH 65536

int fr_socket_init(struct fr_socket *s, struct fr_loop *loop, struct fr_program *program,
                   PyObject *lifespan_state);

/* Cancels the tasks of all requests whose run waits. */
void fr_socket_cancel(struct fr_socket *s);

/* After net let go of every exchange, and all tasks have ended. */
void fr_socket_fini(struct fr_socket *s);

/* ---- between socket.c, websocket.c and bridge.c ---- */

/* A run in a task begins, counted; and ends: the bridge is cut off. */
void fr_request_begin(struct fr_request *req);
void fr_request_end(struct fr_request *req);

/* From the pool, with the exchange's reference; NULL: out of memory. */
struct fr_request *fr_request_new(struct fr_socket *s, struct fr_exchange *x);

/* Among those that run, for fr_socket_cancel(); and no longer. */
void fr_request_list(struct fr_request *req);
void fr_request_unlist(struct fr_request *req);

void fr_request_unref(struct fr_request *req);

/* One that nobody holds, not even the pool. */
void fr_request_free(struct fr_request *req);

/* Sets the exception for a head that net refused: because of its status, or of its fields. */
void fr_request_refused(unsigned status);

/* Hands body (bytes) to net as a piece of the answer; as fr_exchange_write(). */
int fr_request_write(struct fr_request *req, PyObject *body, bool last);

int fr_bridge_init(struct fr_socket *s);
void fr_bridge_fini(struct fr_socket *s);

PyObject *fr_bridge_scope(struct fr_input *in);
PyObject *fr_bridge_receive(struct fr_input *in);
PyObject *fr_bridge_send(struct fr_input *in);

/* The request changed: wakes receive() (something came, or it ended), or send() (drained). */
void fr_bridge_wake_receive(struct fr_request *req);
void fr_bridge_wake_send(struct fr_request *req);

/* Ends the wait for a future, if anybody still does. */
void fr_bridge_wake(PyObject *future);

/* The run is over: what Python still holds of the bridge is cut off. */
void fr_bridge_detach(struct fr_request *req);

#endif
