/*
 * The inside of the ASGI bridge, shared by its files: bridge.c has what is
 * awaited, bridge_send.c what the application sends, bridge_scope.c the scope.
 *
 * Thread: the loop's, with the GIL.
 */
#ifndef FR_WORKERS_BRIDGE_H
#define FR_WORKERS_BRIDGE_H

#include "workers/socket.h"

/* clang-format off */
#define FR_BRIDGE_NAMES(X) \
	X(type) X(asgi) X(http_version) X(server) X(client) X(scheme) X(method) X(root_path) \
	X(path) X(raw_path) X(query_string) X(headers) X(state) X(http) X(version) \
	X(spec_version) X(status) X(body) X(more_body) X(create_future) X(throw) X(close) \
	X(websocket) X(ws) X(subprotocols) X(subprotocol) X(extensions) X(text) X(bytes) \
	X(code) X(reason)
/* clang-format on */

/* Versions, and the types of messages. */
/* clang-format off */
#define FR_BRIDGE_TEXTS(X) \
	X(v30, "3.0") X(v23, "2.3") X(v24, "2.4") X(http11, "1.1") X(http10, "1.0") \
	X(request, "http.request") X(disconnect, "http.disconnect") \
	X(start, "http.response.start") X(part, "http.response.body") \
	X(ws_connect, "websocket.connect") X(ws_receive, "websocket.receive") \
	X(ws_disconnect, "websocket.disconnect") X(ws_accept, "websocket.accept") \
	X(ws_send, "websocket.send") X(ws_close, "websocket.close") \
	X(ws_start, "websocket.http.response.start") X(ws_part, "websocket.http.response.body")
/* clang-format on */

struct fr_bridge_names {
#define X(name) PyObject *name;
	FR_BRIDGE_NAMES(X)
#undef X
#define X(name, text) PyObject *name;
	FR_BRIDGE_TEXTS(X)
#undef X
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
	bool websocket;
};

/* What became of a message: go on; wait for the queue to drain; let others have a turn. */
enum fr_sent { FR_SENT_FULL = 0, FR_SENT_GO_ON = 1, FR_SENT_YIELD = 2 };

/* Takes a message of the application: an enum fr_sent, or -1 and an exception. */
int fr_bridge_message(struct fr_bridge *b, PyObject *message);

/* The fields of a message's headers, in lower case; they point into the message. */
struct fr_bridge_fields {
	struct fr_field *list;
	char **copies;
	size_t count;
	bool length, chunked;
	PyObject *headers; /* holds what they point to */
};

/* Leaves room for more fields; 0, or -1 and an exception.  Always followed by fini. */
int fr_bridge_fields_read(struct fr_bridge *b, struct fr_bridge_fields *f, PyObject *message,
                          size_t more);
void fr_bridge_fields_fini(struct fr_bridge_fields *f);

/* The head and a piece of an answer: as fr_bridge_message(), whatever the message's type. */
int fr_bridge_start(struct fr_bridge *b, PyObject *message);
int fr_bridge_part(struct fr_bridge *b, PyObject *message);

/* The request's bridge, made at first need; borrowed. */
struct fr_bridge *fr_bridge_of(struct fr_input *in);

#endif
