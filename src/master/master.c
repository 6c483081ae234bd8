#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ev.h>

#include "base/log.h"
#include "master/child.h"
#include "master/compile.h"
#include "master/crew.h"
#include "master/listeners.h"

#define MAX_LOGGED 12000 /* bytes of a child's words that fit a log entry */

struct master {
	const struct fr_config *config;
	struct ev_loop *loop;
	struct fr_listeners listeners;
	struct fr_compiled compiled;
	struct fr_crew crew;
	ev_io signals;
	int signal_fd, log_fd;
	uint32_t routes;
	bool pid_written;
	bool stopping;
	int code;
};

void fr_master_complain(const struct fr_diag *diag, const char *said)
{
	fprintf(stderr, "fastrapid: %s%s%s\n", diag->where, diag->where[0] ? ": " : "",
	        diag->message);
	if (said && *said)
		fprintf(stderr, "%s%s", said, said[strlen(said) - 1] == '\n' ? "" : "\n");
}

/* At start people look at the terminal; with a log file, it has to be in there as well. */
static void could_not_start(struct master *m, const struct fr_diag *diag, const char *said)
{
	size_t len = said ? strlen(said) : 0;

	m->code = 1;
	fr_master_complain(diag, said);
	if (m->log_fd > 2)
		fr_log_text(FR_ERROR, said + (len > MAX_LOGGED ? len - MAX_LOGGED : 0),
		            len > MAX_LOGGED ? MAX_LOGGED : len, "could not start: %s: %s",
		            diag->where, diag->message);
}

static int open_log(const struct fr_config *config, int *ret_fd, struct fr_diag *diag)
{
	int fd = STDERR_FILENO;

	if (config->log.file) {
		fd = open(config->log.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
		          0640);
		if (fd < 0)
			return fr_diag_errno(diag, errno, config->log.file, "can't open the log");
	}
	*ret_fd = fd;
	return 0;
}

/* ---- the pid file ---- */

/* Written beside and renamed, so that nobody ever reads half a number. */
static int write_pid_file(const char *path, struct fr_diag *diag)
{
	char *temp;
	int fd, err = 0;

	if (asprintf(&temp, "%s.%d", path, (int)getpid()) < 0)
		return fr_diag_set(diag, FR_ENOMEM, path, "out of memory");
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		err = fr_diag_errno(diag, errno, path, "can't write the pid file");
		free(temp);
		return err;
	}
	if (dprintf(fd, "%d\n", (int)getpid()) < 0 || rename(temp, path) < 0) {
		err = fr_diag_errno(diag, errno, path, "can't write the pid file");
		unlink(temp);
	}
	close(fd);
	free(temp);
	return err;
}

/* Only if it is still ours: another server may have been started with the same file. */
static void remove_pid_file(const char *path)
{
	FILE *f = fopen(path, "re");
	int pid = 0;

	if (!f)
		return;
	if (fscanf(f, "%d", &pid) == 1 && pid == (int)getpid())
		unlink(path);
	fclose(f);
}

/* ---- events ---- */

static void stop(struct master *m, bool graceful)
{
	m->stopping = true;
	/* Ours would go on taking connections that nobody answers. */
	fr_listeners_close(&m->listeners);
	fr_crew_stop(&m->crew, graceful);
}

static void on_ready(void *data)
{
	struct master *m = data;
	struct fr_diag diag;
	char address[256];

	if (m->config->pid_file) {
		if (write_pid_file(m->config->pid_file, &diag) < 0) {
			could_not_start(m, &diag, NULL);
			stop(m, true);
			return;
		}
		m->pid_written = true;
	}
	for (size_t i = 0; i < m->listeners.count; i++) {
		fr_listener_address(&m->listeners.list[i], address, sizeof address);
		fr_log(FR_INFO, "listening on %s", address);
	}
	fr_log(FR_INFO, "ready: %s, %u routes, %u workers", m->config->app, m->routes,
	       m->config->workers);
}

static void on_gone(void *data)
{
	struct master *m = data;

	if (m->crew.failed)
		could_not_start(m, &m->crew.diag, m->crew.failure);
	ev_break(m->loop, EVBREAK_ALL);
}

static void reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR))
		if (pid > 0)
			fr_crew_reaped(&m->crew, pid, status);
}

static void on_signal(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct master *m = (struct master *)((char *)watcher - offsetof(struct master, signals));
	int signo;

	(void)loop;
	(void)revents;
	while ((signo = fr_signals_next(m->signal_fd)) != 0) {
		switch (signo) {
		case SIGCHLD:
			reap(m);
			break;
		case SIGHUP:
			fr_log(FR_WARNING,
			       "SIGHUP passed over: a running server keeps its configuration and "
			       "application until it is started again");
			break;
		default:
			fr_log(FR_INFO, "%s: stopping%s", strsignal(signo),
			       m->stopping || signo == SIGQUIT ? " at once" : "");
			stop(m, !m->stopping && signo != SIGQUIT);
			break;
		}
	}
}

/* ---- the whole life ---- */

static int load(struct master *m, struct fr_diag *diag)
{
	int err = fr_compile(m->config, m->signal_fd, &m->compiled, diag);
	struct fr_loaded *loaded = &m->compiled.loaded;
	size_t skip = loaded->said_len > MAX_LOGGED ? loaded->said_len - MAX_LOGGED : 0;

	if (err < 0)
		return err;
	if (loaded->said_len)
		fr_log_text(FR_INFO, loaded->said + skip, loaded->said_len - skip,
		            "while %s was loaded:", m->config->app);
	m->routes = m->compiled.image->routes.count;
	fr_loaded_fini(loaded); /* workers need the image alone */
	return 0;
}

static int start(struct master *m, const struct fr_entries *entries, struct fr_diag *diag)
{
	const struct fr_heritage heritage = {
		.config = m->config,
		.listeners = m->listeners.list,
		.nlisteners = m->listeners.count,
		.image_fd = m->compiled.image_fd,
		.image_size = m->compiled.image_size,
		.master_fd = -1,
		.log_fd = m->log_fd,
		.generation = 1,
		.hash_seed = m->compiled.hash_seed,
		.master_pid = (int)getpid(),
	};
	const struct fr_crew_events events = { m, on_ready, on_gone };

	m->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!m->loop)
		return fr_diag_errno(diag, errno, "libev", "can't make an event loop");
	ev_io_init(&m->signals, on_signal, m->signal_fd, EV_READ);
	ev_io_start(m->loop, &m->signals);
	return fr_crew_start(&m->crew, m->loop, entries, &heritage, events, diag);
}

int fr_master_serve(const struct fr_config *config, const struct fr_entries *entries, int signal_fd)
{
	struct master m = { .config = config, .signal_fd = signal_fd, .log_fd = STDERR_FILENO };
	struct fr_diag diag = { 0 };
	int err;

	m.compiled.image_fd = -1;
	if ((err = open_log(config, &m.log_fd, &diag)) < 0)
		goto out;
	fr_log_init(m.log_fd, (enum fr_level)config->log.level);
	if (geteuid() == 0 && !config->user)
		fr_log(FR_WARNING, "the application runs as root: set \"user\" to change that");
	if ((err = fr_listeners_open(config, &m.listeners, &diag)) < 0 ||
	    (err = load(&m, &diag)) < 0 || (err = start(&m, entries, &diag)) < 0)
		goto out;
	ev_run(m.loop, 0);
	fr_log(FR_INFO, "stopped");
out:
	if (err == FR_EAGAIN)
		fr_log(FR_INFO, "%s", diag.message); /* told to stop while loading: as wished */
	else if (err < 0)
		could_not_start(&m, &diag, m.compiled.loaded.said);
	fr_crew_fini(&m.crew);
	fr_listeners_close(&m.listeners);
	fr_compiled_fini(&m.compiled);
	if (m.pid_written)
		remove_pid_file(config->pid_file);
	if (m.loop)
		ev_loop_destroy(m.loop);
	fr_log_init(STDERR_FILENO, (enum fr_level)config->log.level);
	if (m.log_fd > 2)
		close(m.log_fd);
	return m.code;
}
