/*
 * The ceiling: what a server can reach at best here.  This very net/ with a
 * fixed answer, or, with --python, with the least that a Python application
 * costs: one call of a function that returns a dict, and pydantic-core's
 * to_json of it.
 *
 * usage: bench-ceiling PORT [--python[=HOME]]
 */
#include <Python.h>

#include <arpa/inet.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/server.h"

static const struct fr_bytes json = { "application/json", 16 };
static PyObject *handler, *to_json;

static void answer_fixed(void *data, struct fr_exchange *x)
{
	static const char body[] = "{\"Hello\":\"World\"}";

	(void)data;
	if (fr_exchange_reply(x, 200, json, NULL, 0, body, sizeof(body) - 1, NULL, NULL))
		fr_exchange_abort(x);
}

static void release_bytes(void *owner)
{
	Py_DECREF((PyObject *)owner);
}

static void answer_python(void *data, struct fr_exchange *x)
{
	PyObject *value = PyObject_CallNoArgs(handler), *bytes;

	(void)data;
	bytes = value ? PyObject_CallOneArg(to_json, value) : NULL;
	Py_XDECREF(value);
	if (!bytes) {
		PyErr_Print();
		fr_exchange_abort(x);
		return;
	}
	if (fr_exchange_reply(x, 200, json, NULL, 0, PyBytes_AS_STRING(bytes),
	                      (size_t)PyBytes_GET_SIZE(bytes), release_bytes, bytes))
		fr_exchange_abort(x);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* python: the interpreter to be, for its packages; NULL: the one on PATH. */
static int start_python(const char *python)
{
	PyConfig config;
	PyStatus status;
	PyObject *globals, *done;
	wchar_t *program;

	PyConfig_InitPythonConfig(&config);
	if (python) {
		program = Py_DecodeLocale(python, NULL);
		status = program ? PyConfig_SetString(&config, &config.executable, program)
		                 : PyStatus_NoMemory();
		PyMem_RawFree(program);
		if (PyStatus_Exception(status))
			return -1;
	}
	config.install_signal_handlers = 0;
	status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (PyStatus_Exception(status)) {
		fprintf(stderr, "bench-ceiling: %s\n", status.err_msg ? status.err_msg : "?");
		return -1;
	}
	globals = PyDict_New();
	done = globals ? PyRun_String("from pydantic_core import to_json\n"
	                              "def root():\n"
	                              "    return {'Hello': 'World'}\n",
	                              Py_file_input, globals, globals)
	               : NULL;
	if (!done) {
		PyErr_Print();
		return -1;
	}
	Py_DECREF(done);
	handler = PyDict_GetItemString(globals, "root");
	to_json = PyDict_GetItemString(globals, "to_json");
	return 0;
}

static int open_listener(unsigned short port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 511)) {
		perror("bench-ceiling");
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct fr_app app = { .on_request = answer_fixed };
	struct fr_net_limits limits;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct fr_server *server;
	ev_signal term;
	int fd;

	fr_net_limits_init(&limits);
	if (argc < 2) {
		fprintf(stderr, "usage: bench-ceiling PORT [--python[=INTERPRETER]]\n");
		return 2;
	}
	if (argc > 2 && !strncmp(argv[2], "--python", 8)) {
		if (start_python(argv[2][8] == '=' ? argv[2] + 9 : NULL))
			return 1;
		app.on_request = answer_python;
	}
	fd = open_listener((unsigned short)atoi(argv[1]));
	server = fd < 0 ? NULL : fr_server_new(loop, &app, &limits);
	if (!server || fr_server_listen(server, fd))
		return 1;
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_start(loop, &term);
	ev_run(loop, 0);
	fr_server_free(server);
	close(fd);
	ev_loop_destroy(loop);
	return 0;
}
