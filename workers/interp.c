#include "config.h"

#include "workers/interp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE "fastrapi._fastrapid"

PyMODINIT_FUNC PyInit__fastrapid(void);

/*
 * Run first of all.  Python's own finder of built-in modules passes over
 * modules of a package, and the .so of the same name would be found; a second
 * copy of the state must not be.
 */
static const char boot[] =
	"def boot():\n"
	"    import sys\n"
	"    from importlib.machinery import BuiltinImporter, ModuleSpec\n"
	"    class Finder:\n"
	"        @staticmethod\n"
	"        def find_spec(name, path=None, target=None):\n"
	"            if name == '" MODULE "':\n"
	"                return ModuleSpec(name, BuiltinImporter, origin='built-in')\n"
	"            return None\n"
	"    sys.meta_path.insert(0, Finder)\n"
	"    for file in (sys.stdout, sys.stderr):\n"
	"        if hasattr(file, 'reconfigure'):\n"
	"            file.reconfigure(line_buffering=True)\n"
	"boot()\n"
	"del boot\n";

static int is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int join(char ret[FR_INTERP_PATH], const char *dir, const char *name)
{
	int n = snprintf(ret, FR_INTERP_PATH, "%s/%s", dir, name);

	return n > 0 && n < FR_INTERP_PATH;
}

/* "python" in the folder of this program, through no link: venv/bin stays venv/bin. */
static int find_beside(char ret[FR_INTERP_PATH])
{
	char self[FR_INTERP_PATH];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return 0;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return 0;
	*slash = '\0';
	return join(ret, self, "python") && is_program(ret);
}

int fr_interp_find(const char *python, char ret[FR_INTERP_PATH], struct fr_diag *diag)
{
	struct stat st;

	if (!python) {
		if (find_beside(ret))
			return 0;
		python = FR_PYTHON;
	}
	if (stat(python, &st) < 0)
		return fr_diag_errno(diag, errno, "python", "%s", python);
	if (S_ISDIR(st.st_mode)) {
		if (!join(ret, python, "bin/python") || !is_program(ret))
			return fr_diag_set(diag, FR_ENOENT, "python",
			                   "%s is no virtual environment: it has no bin/python",
			                   python);
		return 0;
	}
	if (!is_program(python))
		return fr_diag_set(diag, FR_EINVAL, "python", "%s can't be executed", python);
	if (python[0] != '/') {
		char *full = realpath(".", NULL);
		int ok = full && join(ret, full, python);

		free(full);
		return ok ? 0
		          : fr_diag_set(diag, FR_ELIMIT, "python", "%s: too long a path", python);
	}
	if (strlen(python) >= FR_INTERP_PATH)
		return fr_diag_set(diag, FR_ELIMIT, "python", "too long a path");
	strcpy(ret, python);
	return 0;
}

/* What `program` prints about itself: its version, as "3.11.2". */
static int ask_version(const char *program, char *ret, size_t size)
{
	static char code[] = "import sys;sys.stdout.write('%d.%d.%d' % sys.version_info[:3])";
	char *const argv[] = { (char *)program, "-I", "-S", "-c", code, NULL };
	size_t have = 0;
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (dup2(fds[1], 1) >= 0)
			execv(program, argv);
		_exit(127);
	}
	close(fds[1]);
	while (pid > 0 && have < size - 1) {
		ssize_t n = read(fds[0], ret + have, size - 1 - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close(fds[0]);
	ret[have] = '\0';
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return pid > 0 && have > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int check_version(const char *program, struct fr_diag *diag)
{
	char own[16], version[16];

	/* The library's own: it may be newer than the headers, after a security update. */
	snprintf(own, sizeof(own), "%.*s", (int)strspn(Py_GetVersion(), "0123456789."),
	         Py_GetVersion());
	if (ask_version(program, version, sizeof(version)) < 0)
		return fr_diag_set(diag, FR_EINVAL, "python",
		                   "%s does not run as a Python interpreter", program);
	if (strcmp(own, version) != 0)
		return fr_diag_set(diag, FR_EINVAL, "python",
		                   "%s is Python %s, but this fastrapid runs Python %s: "
		                   "build it with PYTHON=%s, or configure a Python %s",
		                   program, version, own, program, own);
	return 0;
}

static int configure(const struct fr_interp_args *args, const char *program, struct fr_diag *diag)
{
	PyConfig config;
	PyStatus status;

	PyConfig_InitPythonConfig(&config);
	config.parse_argv = 0;
	config.install_signal_handlers = 0; /* signals belong to the worker's loop */
	config.use_hash_seed = 1;
	config.hash_seed = (unsigned long)(args->hash_seed & 0xffffffffu);
	config.user_site_directory = 0;
	status = PyConfig_SetBytesString(&config, &config.program_name, program);
	if (!PyStatus_Exception(status))
		status = PyConfig_SetBytesString(&config, &config.executable, program);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (!PyStatus_Exception(status))
		return 0;
	return fr_diag_set(diag, FR_EINVAL, "python", "Python can't be started: %s%s%s",
	                   status.func ? status.func : "", status.func ? ": " : "",
	                   status.err_msg ? status.err_msg : "no reason given");
}

static int insert_path(const char *app_dir)
{
	PyObject *path = PySys_GetObject("path"); /* borrowed */
	PyObject *dir = app_dir ? PyUnicode_DecodeFSDefault(app_dir) : NULL;
	int rc = -1;

	if (!app_dir)
		return 0;
	if (path && dir)
		rc = PyList_Insert(path, 0, dir);
	Py_XDECREF(dir);
	return rc;
}

/*
 * Big bodies are mapped, and go back to the system when they end.  Left to itself, malloc takes
 * the first one as a sign to keep the next ones, and in pieces, in each thread's arena.
 */
static void tame_malloc(void)
{
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 2 << 20);
}

int fr_interp_start(const struct fr_interp_args *args, struct fr_diag *diag)
{
	char program[FR_INTERP_PATH];
	int rc = fr_interp_find(args->python, program, diag);

	if (rc == 0 && args->check_version)
		rc = check_version(program, diag);
	if (rc < 0)
		return rc;
	tame_malloc();
	setenv("FASTRAPID_ROLE", args->role, 1);
	if (PyImport_AppendInittab(MODULE, PyInit__fastrapid) < 0)
		return fr_diag_set(diag, FR_ENOMEM, "python", "out of memory");
	rc = configure(args, program, diag);
	if (rc < 0)
		return rc;
	if (PyRun_SimpleString(boot) < 0 || insert_path(args->app_dir) < 0)
		return fr_diag_set(diag, FR_EINVAL, "python", "the interpreter's start-up failed");
	return 0;
}

PyObject *fr_interp_traceback(void)
{
	PyObject *exc = fr_exc_take(), *module, *lines = NULL, *empty, *text;

	module = PyImport_ImportModule("traceback");
	if (module && exc)
		lines = PyObject_CallMethod(module, "format_exception", "O", exc);
	empty = lines ? PyUnicode_FromString("") : NULL;
	text = empty ? PyUnicode_Join(empty, lines) : NULL;
	if (text)
		Py_SETREF(text, PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
	if (!text) {
		PyErr_Clear();
		text = PyBytes_FromString("an exception that can't be shown\n");
	}
	Py_XDECREF(exc);
	Py_XDECREF(module);
	Py_XDECREF(lines);
	Py_XDECREF(empty);
	return text ? text : Py_NewRef(Py_None); /* only when memory is gone */
}

/* Whether app is FastrAPI's; sets an exception that says what it is instead. */
static int check_app(PyObject *app, const char *name)
{
	PyObject *package = PyImport_ImportModule("fastrapi");
	PyObject *type = package ? PyObject_GetAttrString(package, "FastrAPI") : NULL;
	int rc = type ? PyObject_IsInstance(app, type) : -1;

	Py_XDECREF(package);
	Py_XDECREF(type);
	if (rc == 0) {
		if (PyCallable_Check(app))
			PyErr_Format(PyExc_TypeError,
			             "%s is a %R, no FastrAPI application: fastrapid serves "
			             "applications made with fastrapi.FastrAPI(), and FastAPI's "
			             "with \"serve_fastapi_imports\": true; mount any other ASGI "
			             "application in one",
			             name, (PyObject *)Py_TYPE(app));
		else
			PyErr_Format(PyExc_TypeError, "%s is a %R, no FastrAPI application", name,
			             (PyObject *)Py_TYPE(app));
	}
	return rc == 1 ? 0 : -1;
}

/* Makes `import fastapi` give FastrAPI's modules. */
static int alias(void)
{
	PyObject *package = PyImport_ImportModule("fastrapi");
	PyObject *done = package ? PyObject_CallMethod(package, "install_as_fastapi", NULL) : NULL;
	int rc = done ? 0 : -1;

	Py_XDECREF(package);
	Py_XDECREF(done);
	return rc;
}

PyObject *fr_interp_load(const char *name, int as_fastapi)
{
	const char *colon = strchr(name, ':');
	PyObject *module_name = NULL, *app = NULL, *path = NULL, *parts = NULL;

	if (!colon || colon == name || !colon[1]) {
		PyErr_Format(PyExc_ValueError, "\"%s\" is not of the form module:attribute", name);
		return NULL;
	}
	module_name = PyUnicode_DecodeUTF8(name, colon - name, NULL);
	path = PyUnicode_FromString(colon + 1);
	if (module_name && path) {
		PyObject *dot = PyUnicode_FromString(".");

		parts = dot ? PyUnicode_Split(path, dot, -1) : NULL;
		Py_XDECREF(dot);
	}
	if (parts && (!as_fastapi || alias() == 0))
		app = PyImport_Import(module_name);
	/* PyImport_Import gives the module itself, not its package. */
	for (Py_ssize_t i = 0; app && i < PyList_GET_SIZE(parts); i++)
		Py_SETREF(app, PyObject_GetAttr(app, PyList_GET_ITEM(parts, i)));
	Py_XDECREF(module_name);
	Py_XDECREF(path);
	Py_XDECREF(parts);
	if (app && check_app(app, name) < 0)
		Py_CLEAR(app);
	return app;
}
