/* The loader: imports the application, analyses it, writes the manifest, ends. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "workers/entry.h"
#include "workers/interp.h"

enum { EXIT_LOADED = 0, EXIT_APP = 1, EXIT_PYTHON = 2 };

static void tell(const struct fr_diag *diag)
{
	fprintf(stderr, "%s%s%s\n", diag->where, diag->where[0] ? ": " : "", diag->message);
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * Standard output is the application's to print on: if the manifest's
 * descriptor is one of the standard ones, it moves, and prints go to
 * standard error.  Returns the descriptor, which no child inherits.
 */
static int set_apart(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (moved < 0)
		return -1;
	if (fd > 2)
		close(fd);
	else if (dup2(2, fd) < 0)
		return -1;
	return moved;
}

/* What ends the loader's process without waiting for threads that user code left running. */
static void leave_python(void)
{
	static const char code[] = "import atexit, sys\n"
				   "atexit._run_exitfuncs()\n"
				   "for f in (sys.stdout, sys.stderr):\n"
				   "    if f is not None:\n"
				   "        f.flush()\n";

	if (PyRun_SimpleString(code) < 0)
		PyErr_Clear();
}

static void print_exception(const char *app)
{
	bool left = PyErr_ExceptionMatches(PyExc_SystemExit);
	PyObject *text = fr_interp_traceback();

	if (PyBytes_Check(text) &&
	    write_all(2, PyBytes_AS_STRING(text), (size_t)PyBytes_GET_SIZE(text)) < 0)
		fprintf(stderr, "the traceback could not be written\n");
	Py_DECREF(text);
	if (left)
		fprintf(stderr, "%s: the application ended the process while it was imported\n",
		        app);
}

/* The manifest's bytes, or NULL with an exception. */
static PyObject *make_manifest(const char *name, int as_fastapi)
{
	PyObject *app = fr_interp_load(name, as_fastapi);
	PyObject *compile = app ? PyImport_ImportModule("fastrapi._compile") : NULL;
	PyObject *bytes = compile ? PyObject_CallMethod(compile, "emit", "Os", app, name) : NULL;

	if (bytes && !PyBytes_Check(bytes)) {
		PyErr_Format(PyExc_TypeError, "emit() returned a %R, not bytes",
		             (PyObject *)Py_TYPE(bytes));
		Py_CLEAR(bytes);
	}
	Py_XDECREF(compile);
	Py_XDECREF(app);
	return bytes;
}

int fr_loader_main(const struct fr_loader_args *args)
{
	struct fr_interp_args interp = {
		.python = args->python,
		.app_dir = args->app_dir,
		.role = "loader",
		.hash_seed = args->hash_seed,
		.check_version = 1,
	};
	struct fr_diag diag = { 0 };
	PyObject *manifest;
	int code = EXIT_LOADED;
	int fd = set_apart(args->manifest_fd);

	if (fd < 0) {
		fprintf(stderr, "the manifest's descriptor is of no use: %s\n", strerror(errno));
		return EXIT_PYTHON;
	}
	signal(SIGPIPE, SIG_IGN); /* as Python expects */
	if (fr_interp_start(&interp, &diag) < 0) {
		tell(&diag);
		return EXIT_PYTHON;
	}
	manifest = make_manifest(args->app, args->serve_fastapi_imports);
	if (!manifest) {
		print_exception(args->app);
		code = EXIT_APP;
	} else if (write_all(fd, PyBytes_AS_STRING(manifest), (size_t)PyBytes_GET_SIZE(manifest)) <
	           0) {
		fprintf(stderr, "the manifest could not be written: %s\n", strerror(errno));
		code = EXIT_APP;
	}
	Py_XDECREF(manifest);
	leave_python();
	fflush(NULL);
	_exit(code);
}
