/* The worker: one process, one interpreter, one loop. */
#include "config.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/server.h"
#include "shm/builder.h"
#include "shm/verify.h"
#include "workers/board.h"
#include "workers/entry.h"
#include "workers/gil.h"
#include "workers/interp.h"
#include "workers/lifespan.h"
#include "workers/loop.h"
#include "workers/mismatch.h"
#include "workers/place.h"
#include "workers/process.h"
#include "workers/program.h"
#include "workers/selector.h"
#include "workers/socket.h"
#include "workers/spare.h"

enum { EXIT_GOOD = 0, EXIT_APP = 1, EXIT_PYTHON = 2 };

#define IDLE_GRACE 0.2 /* idle connections stay that long when the server ends */
#define ORPHAN_DRAIN 0.8 /* the master died: what is left of a drain */
#define CANCEL_TIME 1.0 /* for cancelled requests to come to their end */
#define WATCH_EVERY 0.02
#define END_NICE 5 /* of an interpreter's end, beside those that serve */
#define FINALIZE_TIME 3 /* seconds for the interpreter's own end */

enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_DRAINING, PHASE_CANCELLING, PHASE_ENDED };

struct worker {
	const struct fr_heritage *heritage;
	const struct fr_image *image;
	struct fr_loop loop;
	struct fr_lifespan lifespan;
	struct fr_socket socket;
	struct fr_server *server;
	struct fr_wboard board; /* slot NULL: there is none */
	struct fr_program *program;
	PyObject *app;
	ev_signal term, interrupt, quit, hangup;
	ev_io master;
	ev_timer watch; /* while draining */
	enum phase phase;
	bool accepting; /* was ordered */
	bool listening;
	bool stop; /* was asked for */
	bool hasty; /* and not only because others serve */
	bool retired; /* others serve now */
	bool orphan; /* the master is gone */
	bool empty; /* no connection is left */
	double deadline; /* of the phase */
	double asked; /* when the first SIGTERM came */
};

/* ---- reports ---- */

static void report(const struct worker *w, enum fr_report_kind kind, const char *text, size_t len)
{
	struct fr_report head = { .kind = kind };
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)text, 0 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n;

	if (len > FR_REPORT_MAX - sizeof(head))
		len = FR_REPORT_MAX - sizeof(head);
	head.len = (uint32_t)len;
	parts[1].iov_len = len;
	do
		n = sendmsg(w->heritage->master_fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		fr_log(FR_WARNING, "the master can't be told: %s", strerror(errno));
}

static int fail_diag(const struct worker *w, const struct fr_diag *diag, int code)
{
	char text[sizeof(diag->where) + sizeof(diag->message) + 3];
	int n = snprintf(text, sizeof(text), "%s%s%s", diag->where, diag->where[0] ? ": " : "",
	                 diag->message);

	report(w, FR_REPORT_FAILED, text, n > 0 ? (size_t)n : 0);
	return code;
}

/* An exception is set: its traceback goes to the master. */
static int fail_python(const struct worker *w)
{
	PyObject *text = fr_interp_traceback();

	if (PyBytes_Check(text))
		report(w, FR_REPORT_FAILED, PyBytes_AS_STRING(text),
		       (size_t)PyBytes_GET_SIZE(text));
	Py_DECREF(text);
	return EXIT_APP;
}

/* An exception that ends nothing: into the log. */
static void log_python(const char *what)
{
	PyObject *text = fr_interp_traceback();

	if (PyBytes_Check(text))
		fr_log_text(FR_ERROR, PyBytes_AS_STRING(text), (size_t)PyBytes_GET_SIZE(text), "%s",
		            what);
	Py_DECREF(text);
}

/* ---- the end ---- */

static void leave_loop(struct worker *w)
{
	PyObject *stopped;

	fr_gil_take();
	stopped = PyObject_CallMethod(w->loop.loop, "stop", NULL);
	if (!stopped)
		log_python("the loop can't be stopped");
	Py_XDECREF(stopped);
	fr_selector_leave(w->loop.selector);
}

static void on_empty(void *data)
{
	((struct worker *)data)->empty = true;
}

/*
 * Takes no more connections, and lets nobody queue for us: the sockets that
 * other processes have go on without this one, those that none has are free.
 */
static void close_listeners(struct worker *w)
{
	for (size_t i = 0; w->listening && i < w->heritage->nlisteners; i++)
		close(w->heritage->listeners[i].fd);
	w->listening = false;
}

/* Idle connections are closed after grace seconds.  A second call may only hasten. */
static void begin_stop(struct worker *w, double drain, double grace)
{
	bool first = !w->stop;
	double deadline = ev_now(w->loop.ev) + drain;

	w->stop = true;
	if (w->phase == PHASE_STARTING) {
		if (first)
			leave_loop(w);
		return;
	}
	if (w->phase != PHASE_SERVING && w->phase != PHASE_DRAINING)
		return;
	if (first || deadline < w->deadline)
		w->deadline = deadline;
	w->phase = PHASE_DRAINING;
	fr_wboard_state(&w->board, FR_BOARD_DRAINING);
	fr_server_drain(w->server, drain < grace ? drain : grace, on_empty, w);
	close_listeners(w);
	ev_timer_start(w->loop.ev, &w->watch);
}

static void stop_hastily(struct worker *w, double drain)
{
	w->hasty = true;
	begin_stop(w, drain, IDLE_GRACE);
}

static void on_watch(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct worker *w = timer->data;
	size_t left = w->socket.nlive;

	(void)revents;
	if (!(w->empty && left == 0) && ev_now(loop) < w->deadline)
		return;
	if (left > 0 && w->phase == PHASE_DRAINING) {
		fr_log(FR_WARNING, "%zu requests did not end in time: cancelled", left);
		w->phase = PHASE_CANCELLING;
		w->deadline = ev_now(loop) + CANCEL_TIME;
		w->empty = true;
		fr_gil_take();
		fr_socket_cancel(&w->socket);
		return;
	}
	ev_timer_stop(loop, timer);
	w->phase = PHASE_ENDED;
	leave_loop(w);
}

/* At once. */
static _Noreturn void leave(const struct worker *w)
{
	if (w->orphan)
		fr_process_end_group();
	_exit(EXIT_APP);
}

static void on_term(struct ev_loop *loop, ev_signal *signal, int revents)
{
	struct worker *w = signal->data;

	(void)revents;
	if (w->asked > 0. && ev_now(loop) - w->asked < FR_SIGNALS_ARE_ONE)
		return;
	if (w->hasty)
		leave(w); /* asked for twice */
	w->asked = ev_now(loop);
	stop_hastily(w, w->heritage->config->timeouts.drain);
}

static void on_quit(struct ev_loop *loop, ev_signal *signal, int revents)
{
	(void)loop;
	(void)revents;
	leave(signal->data);
}

/* Sent to all of us, by a terminal or a person; the master decides what it means. */
static void on_interrupt(struct ev_loop *loop, ev_signal *signal, int revents)
{
	(void)loop;
	(void)signal;
	(void)revents;
}

/* Once it was ordered and everything is there. */
static void accept_all(struct worker *w)
{
	if (!w->accepting || w->listening || w->phase != PHASE_SERVING)
		return;
	for (size_t i = 0; i < w->heritage->nlisteners; i++) {
		int rc = fr_server_listen(w->server, w->heritage->listeners[i].fd);

		if (rc < 0) {
			fr_log(FR_ERROR, "can't accept on %s: %s", w->heritage->listeners[i].name,
			       fr_err_name(rc));
			_exit(EXIT_APP);
		}
	}
	w->listening = true;
}

/* Orders, one byte each, or the master's end. */
static void on_master(struct ev_loop *loop, ev_io *io, int revents)
{
	const struct fr_config *config = ((struct worker *)io->data)->heritage->config;
	struct worker *w = io->data;
	char order = 0;
	ssize_t n = fr_process_order(w->heritage, &order);

	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && order == FR_ORDER_ACCEPT) {
		w->accepting = true;
		accept_all(w);
	} else if (n > 0 && order == FR_ORDER_RETIRE) {
		w->retired = true;
		begin_stop(w, config->timeouts.drain, config->timeouts.idle);
	} else if (n > 0 && order == FR_ORDER_STOP) {
		begin_stop(w, config->timeouts.drain, IDLE_GRACE);
	} else if (n > 0 && order == FR_ORDER_HASTEN) {
		begin_stop(w, 0, 0);
	}
	if (n > 0)
		return;
	ev_io_stop(loop, io);
	fr_log(FR_WARNING, "the master is gone: worker %u ends", w->heritage->worker);
	w->orphan = true;
	stop_hastily(w, ORPHAN_DRAIN);
}

/* ---- the start ---- */

static void start_watchers(struct worker *w)
{
	ev_signal_init(&w->term, on_term, SIGTERM);
	ev_signal_init(&w->interrupt, on_interrupt, SIGINT);
	ev_signal_init(&w->quit, on_quit, SIGQUIT);
	ev_signal_init(&w->hangup, on_interrupt, SIGHUP);
	ev_io_init(&w->master, on_master, w->heritage->master_fd, EV_READ);
	ev_timer_init(&w->watch, on_watch, WATCH_EVERY, WATCH_EVERY);
	w->term.data = w->interrupt.data = w->quit.data = w->hangup.data = w;
	w->master.data = w->watch.data = w;
	ev_signal_start(w->loop.ev, &w->term);
	ev_signal_start(w->loop.ev, &w->interrupt);
	ev_signal_start(w->loop.ev, &w->quit);
	ev_signal_start(w->loop.ev, &w->hangup);
	ev_io_start(w->loop.ev, &w->master);
}

/*
 * Whoever asks it to end now is late, and atexit handlers are still to run;
 * but libev gives each signal its default action back.  SIGQUIT keeps that.
 */
static void stop_watchers(struct worker *w)
{
	static const int late[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t held, before;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		sigaddset(&held, late[i]);
	pthread_sigmask(SIG_BLOCK, &held, &before);
	ev_signal_stop(w->loop.ev, &w->term);
	ev_signal_stop(w->loop.ev, &w->interrupt);
	ev_signal_stop(w->loop.ev, &w->quit);
	ev_signal_stop(w->loop.ev, &w->hangup);
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		signal(late[i], SIG_IGN);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	ev_io_stop(w->loop.ev, &w->master);
	ev_timer_stop(w->loop.ev, &w->watch);
}

static int open_image(struct worker *w, struct fr_diag *diag)
{
	int rc = fr_image_map(w->heritage->image_fd, w->heritage->image_size, &w->image, diag);

	return rc < 0 ? rc : fr_image_verify(w->image, w->heritage->image_size, diag);
}

/* Takes the answer of bind() apart: the manifest (bytes) and the objects (list), borrowed. */
static int check_bound(PyObject *bound, PyObject **ret_manifest, PyObject **ret_objects)
{
	if (!PyTuple_Check(bound) || PyTuple_GET_SIZE(bound) != 2 ||
	    !PyBytes_Check(PyTuple_GET_ITEM(bound, 0)) ||
	    !PyList_Check(PyTuple_GET_ITEM(bound, 1))) {
		PyErr_SetString(PyExc_TypeError, "bind() returned no (bytes, list)");
		return -1;
	}
	*ret_manifest = PyTuple_GET_ITEM(bound, 0);
	*ret_objects = PyTuple_GET_ITEM(bound, 1);
	return 0;
}

static struct fr_program *make_program(struct worker *w, PyObject *objects)
{
	PyObject *module = PyImport_ImportModule("fastrapi._fastrapid");
	struct fr_program *program = NULL;

	if (module)
		program =
			fr_program_new(PyModule_GetState(module), w->app, w->image, objects, NULL);
	Py_XDECREF(module);
	return program;
}

static int set_placement(const struct worker *w)
{
	static const char *const modes[] = {
		[FR_SYNC_AUTO] = "auto",
		[FR_SYNC_INLINE] = "inline",
		[FR_SYNC_THREADS] = "threads",
	};
	PyObject *module = PyImport_ImportModule("fastrapi._fastrapid");
	PyObject *set = module ? PyObject_CallMethod(module, "set_sync_handlers", "s",
	                                             modes[w->heritage->config->sync_handlers])
	                       : NULL;

	Py_XDECREF(module);
	Py_XDECREF(set);
	return set ? 0 : -1;
}

/* Imports the application and binds the image to it.  0, or an exit code. */
static int load(struct worker *w)
{
	const struct fr_config *config = w->heritage->config;
	const char *name = config->app;
	PyObject *compile = NULL, *bound = NULL, *manifest, *objects;
	struct fr_diag diag = { 0 };
	int code = EXIT_APP;

	w->app = set_placement(w) < 0 ? NULL : fr_interp_load(name, config->serve_fastapi_imports);
	compile = w->app ? PyImport_ImportModule("fastrapi._compile") : NULL;
	bound = compile ? PyObject_CallMethod(compile, "bind", "Os", w->app, name) : NULL;
	if (!bound || check_bound(bound, &manifest, &objects) < 0) {
		fail_python(w);
		goto out;
	}
	if (fr_mismatch_find(w->image, PyBytes_AS_STRING(manifest),
	                     (size_t)PyBytes_GET_SIZE(manifest), &diag) < 0) {
		fail_diag(w, &diag, code);
		goto out;
	}
	w->program = make_program(w, objects);
	if (!w->program || fr_program_install(w->program) < 0)
		fail_python(w);
	else
		code = EXIT_GOOD;
out:
	Py_XDECREF(compile);
	Py_XDECREF(bound);
	return code;
}

/* The thread pool's size, as anyio keeps it for the loop that runs. */
static int set_threads(struct worker *w)
{
	static const char code[] =
		"import anyio.to_thread\n"
		"async def run(n):\n"
		"    anyio.to_thread.current_default_thread_limiter().total_tokens = int(n)\n";

	return fr_loop_run_code(&w->loop, code, w->heritage->config->threads);
}

static void net_limits(const struct fr_config *c, struct fr_net_limits *ret)
{
	fr_net_limits_init(ret);
	ret->uri = c->limits.uri;
	ret->header_bytes = c->limits.header_bytes;
	ret->headers = c->limits.headers;
	ret->body = c->limits.body;
	ret->chunk_extensions = c->limits.chunk_extensions;
	ret->trailer_bytes = c->limits.trailer_bytes;
	ret->write_queue = c->limits.write_queue;
	ret->connections = c->limits.connections;
	ret->pipeline = c->limits.pipeline;
	ret->ws_message = c->limits.ws_message;
	ret->ws_ping = c->timeouts.ws_ping;
	ret->ws_close = c->timeouts.ws_close;
	ret->ws_hold = c->timeouts.ws_hold;
	ret->header_timeout = c->timeouts.header;
	ret->body_timeout = c->timeouts.body;
	ret->idle_timeout = c->timeouts.idle;
	ret->write_timeout = c->timeouts.write;
	ret->linger_timeout = c->timeouts.linger;
	ret->shared = c->workers > 1;
	ret->accepts = ret->shared ? 1 : ret->accepts;
}

static int make_server(struct worker *w)
{
	struct fr_net_limits limits;

	net_limits(w->heritage->config, &limits);
	w->server = fr_server_new(w->loop.ev, &w->socket.app, &limits);
	if (!w->server) {
		PyErr_NoMemory();
		return -1;
	}
	if (w->board.slot) {
		fr_server_count_in(w->server, &w->board.slot->traffic);
		w->socket.board = &w->board;
	}
	return 0;
}

/* From the loaded application to the loop's end.  0, or -1 and an exception. */
static int serve(struct worker *w)
{
	if (fr_lifespan_start(&w->lifespan, &w->loop, w->app) < 0)
		return -1;
	if (set_threads(w) < 0)
		return -1;
	/* The loop may have been stopped in the very turn in which the start came to its end. */
	if (w->stop)
		return -1;
	if (fr_socket_init(&w->socket, &w->loop, w->program, w->lifespan.state) < 0 ||
	    make_server(w) < 0)
		return -1;
	w->phase = PHASE_SERVING;
	fr_wboard_state(&w->board, FR_BOARD_SERVING);
	accept_all(w);
	report(w, FR_REPORT_READY, "", 0);
	fr_log(FR_INFO, "worker %u of generation %u is ready", w->heritage->worker,
	       w->heritage->generation);
	/* An application that stops its loop ends the worker as SIGTERM would. */
	while (w->phase != PHASE_ENDED) {
		int rc = fr_loop_run(&w->loop);

		if (rc < 0) {
			if (!PyErr_ExceptionMatches(PyExc_SystemExit) &&
			    !PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
				return -1;
			log_python("the application wants the process to end");
		}
		if (rc <= 0 && !w->stop)
			stop_hastily(w, w->heritage->config->timeouts.drain);
	}
	return 0;
}

/* Cancels what the application left running, and closes the loop. */
static void close_loop(struct worker *w)
{
	static const char code[] = "import asyncio\n"
				   "async def run(timeout):\n"
				   "    tasks = asyncio.all_tasks() - {asyncio.current_task()}\n"
				   "    for task in tasks:\n"
				   "        task.cancel()\n"
				   "    if tasks:\n"
				   "        await asyncio.wait(tasks, timeout=timeout)\n"
				   "    loop = asyncio.get_running_loop()\n"
				   "    try:\n"
				   "        async with asyncio.timeout(timeout):\n"
				   "            await loop.shutdown_asyncgens()\n"
				   "            await loop.shutdown_default_executor()\n"
				   "    except TimeoutError:\n"
				   "        pass\n";

	if (fr_loop_run_code(&w->loop, code, CANCEL_TIME) < 0)
		log_python("the loop's end");
}

static void on_alarm(int signal)
{
	(void)signal;
	_exit(EXIT_GOOD); /* a thread of the application won't end: the process does */
}

static void end(struct worker *w)
{
	if (w->server)
		fr_server_free(w->server);
	w->server = NULL;
	if (fr_lifespan_stop(&w->lifespan,
	                     w->orphan ? ORPHAN_DRAIN : w->heritage->config->timeouts.drain) < 0)
		log_python("lifespan shutdown failed");
	if (w->retired)
		setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + END_NICE);
	stop_watchers(w);
	if (w->board.slot)
		fr_wboard_stop(&w->board, w->loop.ev);
	if (!w->orphan) {
		signal(SIGALRM, on_alarm);
		alarm(FINALIZE_TIME);
	}
	close_loop(w);
	fr_socket_fini(&w->socket);
	fr_lifespan_fini(&w->lifespan);
	fr_loop_fini(&w->loop);
	fr_program_unref(w->program);
	Py_CLEAR(w->app);
}

static void take_slot(struct worker *w, const struct fr_heritage *h)
{
	if (h->board && !h->spare && !w->board.slot)
		fr_wboard_init(&w->board, h->board, h->worker, h->generation);
}

int fr_worker_main(const struct fr_heritage *heritage)
{
	struct fr_heritage own = *heritage;
	struct worker w = { .heritage = &own };
	struct fr_spare_fds before;
	struct fr_interp_args interp = {
		.python = heritage->config->python,
		.app_dir = heritage->config->app_dir,
		.role = "worker",
		.hash_seed = heritage->hash_seed,
	};
	struct fr_diag diag = { 0 };
	int code;

	fr_process_signals();
	if (own.spare)
		fr_spare_look(&before);
	take_slot(&w, &own);
	if (open_image(&w, &diag) < 0)
		return fail_diag(&w, &diag, EXIT_APP);
	if (fr_place_audit() < 0 || fr_interp_start(&interp, &diag) < 0)
		return fail_diag(&w, &diag, EXIT_PYTHON);
	code = load(&w);
	if (code != EXIT_GOOD)
		return code;
	if (own.spare && fr_spare_wait(&own, &before) < 0)
		return fail_python(&w);
	take_slot(&w, &own);
	if (fr_loop_init(&w.loop) < 0)
		return fail_python(&w);
	start_watchers(&w);
	if (fr_process_watch_forks(&own) < 0)
		return fail_python(&w);
	if (w.board.slot)
		fr_wboard_start(&w.board, w.loop.ev, w.program);
	if (serve(&w) < 0) {
		if (w.stop && w.phase == PHASE_STARTING)
			PyErr_Clear(); /* told to end before it was ready */
		else if (w.phase == PHASE_STARTING)
			code = fail_python(&w);
		else
			log_python("the loop ended"), code = EXIT_APP;
	}
	end(&w);
	Py_FinalizeEx();
	if (w.orphan)
		fr_process_end_group();
	return code;
}
