#include "master/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/child.h"

#define MANIFEST_FD 3
#define MAX_ARGS 11 /* of the loader, and NULL */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- the child's side of fork ---- */

static void limit_child(const struct fr_config *config)
{
	/* A runaway import that ignores the clock; all cores may be busy for all of the time. */
	rlim_t cpu =
		(rlim_t)(config->timeouts.start + 1) * (rlim_t)sysconf(_SC_NPROCESSORS_ONLN) + 5;
	struct rlimit limit = { cpu, cpu }, core = { 0, 0 };

	setrlimit(RLIMIT_CPU, &limit);
	setrlimit(RLIMIT_CORE, &core);
}

static _Noreturn void exec_loader(char **argv, int manifest_fd, int said_fd, pid_t parent,
                                  const struct fr_config *config)
{
	int keep = MANIFEST_FD;

	fr_child_reset_signals();
	fr_child_follow(parent, SIGKILL);
	limit_child(config);
	/* said_fd first: MANIFEST_FD may be its number. */
	if (fr_child_close_stdin() < 0 || dup2(said_fd, 1) < 0 || dup2(said_fd, 2) < 0 ||
	    (manifest_fd == MANIFEST_FD ? fcntl(manifest_fd, F_SETFD, 0)
	                                : dup2(manifest_fd, MANIFEST_FD)) < 0)
		_exit(126);
	fr_child_close_fds(&keep, 1);
	execv("/proc/self/exe", argv);
	dprintf(2, "can't execute the loader: %s\n", strerror(errno));
	_exit(127);
}

/* The loader's command line; fr_loader_child reads it. */
static int make_args(const struct fr_config *c, uint64_t hash_seed, char *argv[MAX_ARGS])
{
	const struct {
		const char *name, *value;
	} texts[] = { { "app", c->app },
		      { "app_dir", c->app_dir },
		      { "python", c->python },
		      { "user", c->user },
		      { "group", c->group } };
	size_t n = 0;

	memset(argv, 0, MAX_ARGS * sizeof *argv);
	argv[n++] = strdup("fastrapid");
	argv[n++] = strdup("--loader");
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].value &&
		    asprintf(&argv[n++], "%s=%s", texts[i].name, texts[i].value) < 0)
			return FR_ENOMEM;
	if (c->serve_fastapi_imports && !(argv[n++] = strdup("serve_fastapi_imports")))
		return FR_ENOMEM;
	if (asprintf(&argv[n++], "hash_seed=%llu", (unsigned long long)hash_seed) < 0)
		return FR_ENOMEM;
	return argv[0] && argv[1] ? 0 : FR_ENOMEM;
}

/* Forks it; the pipes' reading ends are non-blocking. */
static int fork_loader(struct fr_loader *l, uint64_t hash_seed, int *ret_manifest, int *ret_said,
                       struct fr_diag *diag)
{
	int manifest[2] = { -1, -1 }, said[2] = { -1, -1 }, err = 0;
	pid_t parent = getpid(), pid;
	char *argv[MAX_ARGS];

	if (make_args(l->config, hash_seed, argv) < 0) {
		err = fr_diag_set(diag, FR_ENOMEM, "loader", "out of memory");
		goto out;
	}
	if (pipe2(manifest, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0) {
		err = fr_diag_errno(diag, errno, "loader", "can't make a pipe");
		goto out;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		exec_loader(argv, manifest[1], said[1], parent, l->config);
	if (pid < 0) {
		err = fr_diag_errno(diag, errno, "loader", "can't fork");
		goto out;
	}
	setpgid(pid, pid); /* as the child does: whoever is first */
	fcntl(manifest[0], F_SETFL, O_NONBLOCK);
	fcntl(said[0], F_SETFL, O_NONBLOCK);
	l->pid = pid;
	*ret_manifest = manifest[0];
	*ret_said = said[0];
	manifest[0] = said[0] = -1;
out:
	for (int i = 0; i < 2; i++) {
		close_fd(&manifest[i]);
		close_fd(&said[i]);
	}
	for (size_t i = 0; i < MAX_ARGS; i++)
		free(argv[i]);
	return err;
}

/* ---- reading ---- */

static void close_pipe(struct fr_loader *l, ev_io *io)
{
	if (io->fd < 0)
		return;
	ev_io_stop(l->loop, io);
	close(io->fd);
	ev_io_set(io, -1, EV_READ);
}

static int read_manifest(struct fr_loader *l, struct fr_diag *diag)
{
	while (l->manifest_io.fd >= 0) {
		ssize_t n;

		if (l->ret.len == l->cap) {
			/* One byte more than allowed, to see that there is one. */
			size_t max = l->config->limits.manifest + 1;
			size_t cap = l->cap ? l->cap * 2 : 65536;
			char *p;

			if (l->ret.len == max)
				return fr_diag_set(
					diag, FR_ELIMIT, "loader",
					"the application's manifest is larger than limits.manifest "
					"(%zu bytes)",
					max - 1);
			if (cap > max)
				cap = max;
			p = realloc(l->ret.manifest, cap + 1);
			if (!p)
				return fr_diag_set(diag, FR_ENOMEM, "loader", "out of memory");
			l->ret.manifest = p;
			l->cap = cap;
		}
		n = read(l->manifest_io.fd, l->ret.manifest + l->ret.len, l->cap - l->ret.len);
		if (n > 0) {
			l->ret.len += (size_t)n;
			l->ret.manifest[l->ret.len] = 0;
		} else if (n == 0) {
			close_pipe(l, &l->manifest_io);
		} else if (errno != EINTR) {
			return errno == EAGAIN ? 0
			                       : fr_diag_errno(diag, errno, "loader",
			                                       "can't read the manifest");
		}
	}
	return 0;
}

/*
 * Keeps the end of what is said: that is where a traceback says what happened.
 * Reads most bytes at most, for more may be said as fast as it is read.
 */
static void read_said(struct fr_loader *l, size_t most)
{
	struct fr_loaded *r = &l->ret;

	while (l->said_io.fd >= 0 && most) {
		size_t room;
		ssize_t n;

		if (r->said_len == 2 * FR_LOADER_SAID_MAX) {
			memmove(r->said, r->said + FR_LOADER_SAID_MAX, FR_LOADER_SAID_MAX);
			r->said_len = FR_LOADER_SAID_MAX;
		}
		room = 2 * FR_LOADER_SAID_MAX - r->said_len;
		n = read(l->said_io.fd, r->said + r->said_len, room < most ? room : most);
		if (n > 0) {
			r->said_len += (size_t)n;
			most -= (size_t)n;
		} else if (n == 0) {
			close_pipe(l, &l->said_io);
		} else if (errno != EINTR) {
			break;
		}
	}
}

/* All that was said before now: no more than the pipe can hold. */
static void read_rest(struct fr_loader *l)
{
	int size = l->said_io.fd < 0 ? 0 : fcntl(l->said_io.fd, F_GETPIPE_SZ);

	if (size > 0)
		read_said(l, (size_t)size);
}

static void on_manifest(struct ev_loop *loop, ev_io *io, int revents)
{
	struct fr_loader *l = io->data;
	struct fr_diag diag;

	(void)loop;
	(void)revents;
	if (read_manifest(l, &diag) < 0)
		fr_loader_kill(l, &diag);
}

static void on_said(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	read_said(io->data, FR_LOADER_SAID_MAX);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct fr_loader *l = timer->data;
	struct fr_diag diag;

	(void)loop;
	(void)revents;
	/* It may be us who were stopped: fr_loader_ended follows then. */
	if (fr_child_has_ended(l->pid))
		return;
	fr_diag_set(&diag, FR_ETIMEOUT, "loader",
	            "\"%s\" was not loaded within timeouts.start (%.10g s)", l->config->app,
	            l->config->timeouts.start);
	fr_loader_kill(l, &diag);
}

/* ---- from its start to its end ---- */

int fr_loader_start(struct fr_loader *l, struct ev_loop *loop, const struct fr_config *config,
                    uint64_t hash_seed, fr_loader_done_fn *on_done, void *data,
                    struct fr_diag *diag)
{
	int err, manifest, said;

	*l = (struct fr_loader){ .loop = loop, .config = config, .on_done = on_done, .data = data };
	l->ret.said = malloc(2 * FR_LOADER_SAID_MAX + 1);
	if (!l->ret.said)
		return fr_diag_set(diag, FR_ENOMEM, "loader", "out of memory");
	if ((err = fork_loader(l, hash_seed, &manifest, &said, diag)) < 0) {
		fr_loaded_fini(&l->ret);
		return err;
	}
	ev_io_init(&l->manifest_io, on_manifest, manifest, EV_READ);
	ev_io_init(&l->said_io, on_said, said, EV_READ);
	ev_now_update(loop);
	ev_timer_init(&l->limit, on_limit, config->timeouts.start, 0.);
	l->manifest_io.data = l->said_io.data = l->limit.data = l;
	ev_io_start(loop, &l->manifest_io);
	ev_io_start(loop, &l->said_io);
	ev_timer_start(loop, &l->limit);
	return 0;
}

void fr_loader_kill(struct fr_loader *l, const struct fr_diag *why)
{
	if (!l->pid || l->killed)
		return;
	l->killed = true;
	l->diag = *why;
	close_pipe(l, &l->manifest_io);
	kill(-l->pid, SIGKILL);
	kill(l->pid, SIGKILL); /* the group may not be there yet */
}

static int judge(struct fr_loader *l, int status)
{
	const char *app = l->config->app;

	if (WIFSIGNALED(status))
		return fr_diag_set(&l->diag, FR_ECHILD, "loader",
		                   "loading \"%s\" was ended by signal %d (%s)", app,
		                   WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) == 2)
		return fr_diag_set(&l->diag, FR_ECHILD, "loader", "Python can't be started");
	if (WEXITSTATUS(status))
		return fr_diag_set(&l->diag, FR_ECHILD, "loader",
		                   "\"%s\" can't be loaded (exit code %d)", app,
		                   WEXITSTATUS(status));
	if (!l->ret.len)
		return fr_diag_set(&l->diag, FR_ECHILD, "loader", "loading \"%s\" gave no manifest",
		                   app);
	return 0;
}

bool fr_loader_ended(struct fr_loader *l, pid_t pid)
{
	struct fr_loaded *r = &l->ret;
	int status = 0, err = 0;

	if (!l->pid || pid != l->pid)
		return false;
	/* What it wrote before it exited is in the pipes; its children may still hold them open. */
	if (!l->killed)
		err = read_manifest(l, &l->diag);
	read_rest(l);
	/* Not reaped yet, so the group's number is still its own: whatever it left running goes. */
	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	l->pid = 0;
	close_pipe(l, &l->manifest_io);
	close_pipe(l, &l->said_io);
	ev_timer_stop(l->loop, &l->limit);
	if (l->killed)
		err = l->diag.code;
	else if (err == 0)
		err = judge(l, status);
	if (r->said_len > FR_LOADER_SAID_MAX) {
		memmove(r->said, r->said + r->said_len - FR_LOADER_SAID_MAX, FR_LOADER_SAID_MAX);
		r->said_len = FR_LOADER_SAID_MAX;
	}
	r->said[r->said_len] = 0;
	if (err < 0) {
		free(r->manifest);
		r->manifest = NULL;
		r->len = 0;
	}
	l->on_done(l->data, err);
	return true;
}

void fr_loaded_fini(struct fr_loaded *loaded)
{
	free(loaded->manifest);
	free(loaded->said);
	*loaded = (struct fr_loaded){ 0 };
}

/* ---- fastrapid --loader ---- */

int fr_loader_child(int argc, char **argv, const struct fr_entries *entries)
{
	struct fr_loader_args args = { .manifest_fd = MANIFEST_FD };
	const struct {
		const char *name;
		const char **at;
	} texts[] = { { "app=", &args.app },
		      { "app_dir=", &args.app_dir },
		      { "python=", &args.python },
		      { "user=", &args.user },
		      { "group=", &args.group } };
	pid_t parent = getppid();
	struct fr_diag diag;

	for (int i = 2; i < argc; i++) {
		for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
			if (!strncmp(argv[i], texts[k].name, strlen(texts[k].name)))
				*texts[k].at = argv[i] + strlen(texts[k].name);
		if (!strcmp(argv[i], "serve_fastapi_imports"))
			args.serve_fastapi_imports = 1;
		if (!strncmp(argv[i], "hash_seed=", 10))
			args.hash_seed = strtoull(argv[i] + 10, NULL, 10);
	}
	if (!args.app || !args.app_dir || fcntl(MANIFEST_FD, F_GETFD) < 0) {
		fprintf(stderr, "fastrapid: --loader is for the master's use only\n");
		return 2;
	}
	if (fr_child_drop(args.user, args.group, &diag) < 0) {
		fprintf(stderr, "%s: %s\n", diag.where, diag.message);
		return 2;
	}
	fr_child_follow(parent, SIGKILL); /* dropping privileges has cleared it */
	return entries->loader(&args);
}
