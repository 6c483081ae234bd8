/* ASGI's scope of a request that came over a socket. */
#include <string.h>

#include "workers/websocket.h"

/* (host, port), or (path, None). */
static PyObject *address(const char *host, int port)
{
	return port < 0 ? Py_BuildValue("(sO)", host, Py_None) : Py_BuildValue("(si)", host, port);
}

static PyObject *server_of(struct fr_bridge_names *n, struct fr_exchange *x)
{
	int port;
	const char *host = fr_exchange_server(x, &port);

	if (n->server_name && n->server_port == port && !strcmp(n->server_text, host))
		return Py_NewRef(n->server_name);
	if (strlen(host) < sizeof(n->server_text)) {
		Py_XSETREF(n->server_name, address(host, port));
		strcpy(n->server_text, host);
		n->server_port = port;
		return Py_XNewRef(n->server_name);
	}
	return address(host, port);
}

static PyObject *client_of(struct fr_exchange *x)
{
	int port;
	const char *host = fr_exchange_client(x, &port);

	return port < 0 ? Py_NewRef(Py_None) : address(host, port);
}

static PyObject *headers_list(const struct fr_input *in)
{
	PyObject *list = PyList_New((Py_ssize_t)in->nheaders);

	for (size_t i = 0; list && i < in->nheaders; i++) {
		const struct fr_header *h = &in->headers[i];
		PyObject *pair = Py_BuildValue("(y#y#)", h->name.p, (Py_ssize_t)h->name.len,
		                               h->value.p, (Py_ssize_t)h->value.len);

		if (!pair)
			Py_CLEAR(list);
		else
			PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
	}
	return list;
}

static PyObject *asgi_of(const struct fr_bridge_names *n, PyObject *spec)
{
	PyObject *asgi = PyDict_New();

	if (asgi && (PyDict_SetItem(asgi, n->version, n->v30) < 0 ||
	             PyDict_SetItem(asgi, n->spec_version, spec) < 0))
		Py_CLEAR(asgi);
	return asgi;
}

static PyObject *version_of(const struct fr_bridge_names *n, const struct fr_request *req)
{
	if (req->major == 1 && req->minor == 1)
		return Py_NewRef(n->http11);
	if (req->major == 1 && req->minor == 0)
		return Py_NewRef(n->http10);
	return PyUnicode_FromFormat("%d.%d", req->major, req->minor);
}

/* Sets scope[key] to value, whose reference it takes; NULL: an exception is set. */
static int put(PyObject *scope, PyObject *key, PyObject *value)
{
	int rc = value ? PyDict_SetItem(scope, key, value) : -1;

	Py_XDECREF(value);
	return rc;
}

static PyObject *bytes_of(struct fr_span span)
{
	return PyBytes_FromStringAndSize(span.p, (Py_ssize_t)span.len);
}

static int fill_scope(PyObject *scope, struct fr_request *req)
{
	struct fr_bridge_names *n = req->sock->names;
	const struct fr_input *in = &req->in;
	bool ws = req->websocket;

	if (put(scope, n->type, Py_NewRef(ws ? n->websocket : n->http)) < 0 ||
	    put(scope, n->asgi, asgi_of(n, ws ? n->v24 : n->v23)) < 0 ||
	    put(scope, n->http_version, version_of(n, req)) < 0 ||
	    put(scope, n->server, req->x ? server_of(n, req->x) : Py_NewRef(Py_None)) < 0 ||
	    put(scope, n->client, req->x ? client_of(req->x) : Py_NewRef(Py_None)) < 0 ||
	    put(scope, n->scheme, Py_NewRef(ws ? n->ws : n->http)) < 0 ||
	    put(scope, n->root_path, PyUnicode_New(0, 0)) < 0 ||
	    put(scope, n->headers, headers_list(in)) < 0 ||
	    put(scope, n->state, PyDict_Copy(req->sock->lifespan_state)) < 0 ||
	    put(scope, n->path, fr_text(in->full_path.p, in->full_path.len)) < 0 ||
	    put(scope, n->raw_path, bytes_of(req->raw_path)) < 0 ||
	    put(scope, n->query_string, bytes_of(in->query)) < 0)
		return -1;
	if (ws)
		return fr_websocket_fill_scope(scope, req);
	return put(scope, n->method, fr_text(in->method_name.p, in->method_name.len));
}

PyObject *fr_bridge_scope(struct fr_input *in)
{
	struct fr_bridge *b = fr_bridge_of(in);

	if (!b)
		return NULL;
	if (!b->scope) {
		b->scope = PyDict_New();
		if (b->scope && fill_scope(b->scope, b->req) < 0)
			Py_CLEAR(b->scope);
	}
	return Py_XNewRef(b->scope);
}
