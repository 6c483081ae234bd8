#include "master/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "master/child.h"

#define MANIFEST_FD 3
#define TICK_MS 50 /* how often to look where the kernel has no pidfd_open */

/* The two outputs of a loader while it runs. */
struct run {
	const struct fr_config *config;
	pid_t pid;
	int manifest_fd, said_fd, pid_fd; /* -1: ended */
	char *manifest;
	size_t len, cap;
	char *said;
	size_t said_len;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

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
static int make_args(const struct fr_config *c, uint64_t hash_seed, char *argv[10])
{
	const struct {
		const char *name, *value;
	} texts[] = { { "app", c->app },
		      { "app_dir", c->app_dir },
		      { "python", c->python },
		      { "user", c->user },
		      { "group", c->group } };
	size_t n = 0;

	memset(argv, 0, 10 * sizeof *argv);
	argv[n++] = strdup("fastrapid");
	argv[n++] = strdup("--loader");
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].value &&
		    asprintf(&argv[n++], "%s=%s", texts[i].name, texts[i].value) < 0)
			return FR_ENOMEM;
	if (asprintf(&argv[n++], "hash_seed=%llu", (unsigned long long)hash_seed) < 0)
		return FR_ENOMEM;
	return argv[0] && argv[1] ? 0 : FR_ENOMEM;
}

static int start(struct run *r, uint64_t hash_seed, struct fr_diag *diag)
{
	int manifest[2] = { -1, -1 }, said[2] = { -1, -1 }, err = 0;
	pid_t parent = getpid();
	char *argv[10];

	if (make_args(r->config, hash_seed, argv) < 0) {
		err = fr_diag_set(diag, FR_ENOMEM, "loader", "out of memory");
		goto out;
	}
	if (pipe2(manifest, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0) {
		err = fr_diag_errno(diag, errno, "loader", "can't make a pipe");
		goto out;
	}
	fflush(NULL);
	r->pid = fork();
	if (r->pid == 0)
		exec_loader(argv, manifest[1], said[1], parent, r->config);
	if (r->pid < 0) {
		err = fr_diag_errno(diag, errno, "loader", "can't fork");
		goto out;
	}
	setpgid(r->pid, r->pid); /* as the child does: whoever is first */
	fcntl(manifest[0], F_SETFL, O_NONBLOCK);
	fcntl(said[0], F_SETFL, O_NONBLOCK);
	r->manifest_fd = manifest[0];
	r->said_fd = said[0];
	r->pid_fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	manifest[0] = said[0] = -1;
out:
	for (int i = 0; i < 2; i++) {
		close_fd(&manifest[i]);
		close_fd(&said[i]);
	}
	for (size_t i = 0; i < 10; i++)
		free(argv[i]);
	return err;
}

/* ---- reading ---- */

static int read_manifest(struct run *r, struct fr_diag *diag)
{
	for (;;) {
		ssize_t n;

		if (r->len == r->cap) {
			/* One byte more than allowed, to see that there is one. */
			size_t max = r->config->limits.manifest + 1;
			size_t cap = r->cap ? r->cap * 2 : 65536;
			char *p;

			if (r->len == max)
				return fr_diag_set(
					diag, FR_ELIMIT, "loader",
					"the application's manifest is larger than limits.manifest "
					"(%zu bytes)",
					max - 1);
			if (cap > max)
				cap = max;
			p = realloc(r->manifest, cap + 1);
			if (!p)
				return fr_diag_set(diag, FR_ENOMEM, "loader", "out of memory");
			r->manifest = p;
			r->cap = cap;
		}
		n = read(r->manifest_fd, r->manifest + r->len, r->cap - r->len);
		if (n > 0) {
			r->len += (size_t)n;
			r->manifest[r->len] = 0;
		} else if (n == 0) {
			close_fd(&r->manifest_fd);
			return 0;
		} else if (errno != EINTR) {
			return errno == EAGAIN ? 0
			                       : fr_diag_errno(diag, errno, "loader",
			                                       "can't read the manifest");
		}
	}
}

/* Keeps the end of what is said: that is where a traceback says what happened. */
static void read_said(struct run *r)
{
	while (r->said_fd >= 0) {
		ssize_t n;

		if (r->said_len == 2 * FR_LOADER_SAID_MAX) {
			memmove(r->said, r->said + FR_LOADER_SAID_MAX, FR_LOADER_SAID_MAX);
			r->said_len = FR_LOADER_SAID_MAX;
		}
		n = read(r->said_fd, r->said + r->said_len, 2 * FR_LOADER_SAID_MAX - r->said_len);
		if (n > 0)
			r->said_len += (size_t)n;
		else if (n == 0)
			close_fd(&r->said_fd);
		else if (errno != EINTR)
			break;
	}
}

/* A stop signal waits in the master's descriptor. */
static int stop_wanted(int signal_fd)
{
	int signo;

	while ((signo = fr_signals_next(signal_fd)) != 0) {
		if (signo == SIGTERM || signo == SIGINT || signo == SIGQUIT)
			return signo;
		if (signo == SIGHUP)
			fr_log(FR_WARNING, "SIGHUP passed over: the application is being loaded");
	}
	return 0;
}

/* Until the loader has exited.  Its children may still hold the pipes: their end is not waited for. */
static int watch(struct run *r, int signal_fd, struct fr_diag *diag)
{
	double deadline = now() + r->config->timeouts.start;

	for (;;) {
		struct pollfd fds[] = { { r->manifest_fd, POLLIN, 0 },
			                { r->said_fd, POLLIN, 0 },
			                { r->pid_fd, POLLIN, 0 },
			                { signal_fd, POLLIN, 0 } };
		double left = deadline - now();
		siginfo_t info = { 0 };
		int ms = left > 1000 ? 1000000 : (int)(left * 1000) + 1, err, signo;

		if (left <= 0)
			return fr_diag_set(diag, FR_ETIMEOUT, "loader",
			                   "\"%s\" was not loaded within timeouts.start (%.10g s)",
			                   r->config->app, r->config->timeouts.start);
		if (r->pid_fd < 0 && ms > TICK_MS)
			ms = TICK_MS;
		if (poll(fds, 4, ms) < 0 && errno != EINTR)
			return fr_diag_errno(diag, errno, "loader", "can't poll");
		signo = fds[3].revents ? stop_wanted(signal_fd) : 0;
		if (signo)
			return fr_diag_set(diag, FR_EAGAIN, "loader", "stopped by signal %d (%s)",
			                   signo, strsignal(signo));
		/* Asked before the pipes are read: what it wrote before it exited is there. */
		while (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
		       errno == EINTR)
			;
		if (r->manifest_fd >= 0 && (err = read_manifest(r, diag)) < 0)
			return err;
		read_said(r);
		if (info.si_pid)
			return 0;
	}
}

static int judge(struct run *r, int status, struct fr_diag *diag)
{
	const char *app = r->config->app;

	if (WIFSIGNALED(status))
		return fr_diag_set(diag, FR_ECHILD, "loader",
		                   "loading \"%s\" was ended by signal %d (%s)", app,
		                   WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) == 2)
		return fr_diag_set(diag, FR_ECHILD, "loader", "Python can't be started");
	if (WEXITSTATUS(status))
		return fr_diag_set(diag, FR_ECHILD, "loader",
		                   "\"%s\" can't be loaded (exit code %d)", app,
		                   WEXITSTATUS(status));
	if (!r->len)
		return fr_diag_set(diag, FR_ECHILD, "loader", "loading \"%s\" gave no manifest",
		                   app);
	return 0;
}

int fr_loader_run(const struct fr_config *config, uint64_t hash_seed, int signal_fd,
                  struct fr_loaded *ret, struct fr_diag *diag)
{
	struct run r = { .config = config, .manifest_fd = -1, .said_fd = -1, .pid_fd = -1 };
	int err, status = 0;

	*ret = (struct fr_loaded){ 0 };
	r.said = malloc(2 * FR_LOADER_SAID_MAX + 1);
	if (!r.said)
		return fr_diag_set(diag, FR_ENOMEM, "loader", "out of memory");
	err = start(&r, hash_seed, diag);
	if (err == 0) {
		err = watch(&r, signal_fd, diag);
		/* Not reaped yet, so the group's number is still its own: whatever it left running goes. */
		kill(-r.pid, SIGKILL);
		while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
			;
		if (err == 0)
			err = judge(&r, status, diag);
	}
	close_fd(&r.manifest_fd);
	close_fd(&r.said_fd);
	close_fd(&r.pid_fd);
	if (r.said_len > FR_LOADER_SAID_MAX) {
		memmove(r.said, r.said + r.said_len - FR_LOADER_SAID_MAX, FR_LOADER_SAID_MAX);
		r.said_len = FR_LOADER_SAID_MAX;
	}
	r.said[r.said_len] = 0;
	ret->said = r.said;
	ret->said_len = r.said_len;
	if (err < 0) {
		free(r.manifest);
		return err;
	}
	ret->manifest = r.manifest;
	ret->len = r.len;
	return 0;
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
