/*
 * The inside of the ASGI bridge, shared by its files: bridge.c has what is
 * awaited, bridge_send.c what the application sends, bridge_scope.c the scope.
 *
 * Thread: the loop's, with the GIL.
 */
#ifndef FR_WORKERS_BRIDGE_H
#define FR_WORKERS_BRIDGE_H

#include "workers/socket.h"

#define FR_BRIDGE_NAMES(X)                                                                         \
	X(type)                                                                                    \
	X(asgi) X(http_version) X(server) X(client) X(scheme) X(method) X(root_path) X(path)       \
		X(raw_path) X(query_string) X(headers) X(state) X(http) X(version) X(spec_version) \
			X(status) X(body) X(more_body) X(create_future) X(throw) X(close)

struct fr_bridge_names {
#define X(name) PyObject *name;
	FR_BRIDGE_NAMES(X)
#undef X
	PyObject *v30, *v23, *http11, *http10;
	PyObject *request, *disconnect, *start, *part; /* types of messages */
	PyObject *empty; /* b"" */
	PyObject *server_name; /* the last server tuple, and what it was made from */
	char server_text[256];
	int server_port;
	PyTypeObject *bridge_type, *step_type;
};

/* Sending that many bytes without a wait lets others have their turn. */
#define FR_BRIDGE_BURST (1u << 20)

/* What Python holds of a request; outlives it. */
struct fr_bridge {
	PyObject_HEAD struct fr_socket *sock;
	struct fr_request *req; /* NULL: the run is over */
	PyObject *receivers, *senders; /* lists of futures */
	PyObject *scope; /* made once */
	int64_t left; /* bytes that content-length still announces */
	size_t burst; /* bytes sent since others had their turn */
	bool started, completed;
	bool body_given; /* the end of the request's body */
	bool head; /* HEAD: no body is written */
	bool chunked;
};

/* What became of a message: go on; wait for the queue to drain; let others have a turn. */
enum fr_sent { FR_SENT_FULL = 0, FR_SENT_GO_ON = 1, FR_SENT_YIELD = 2 };

/* Takes a message of the application: an enum fr_sent, or -1 and an exception. */
int fr_bridge_message(struct fr_bridge *b, PyObject *message);

/* The request's bridge, made at first need; borrowed. */
struct fr_bridge *fr_bridge_of(struct fr_input *in);

#endif
