#include "tests/unit/loader_world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "master/child.h"

#define GUARD 60.

int loader_tests(int argc, char **argv, fake_loader_fn *fake, const char *name,
                 const struct CMUnitTest *tests, size_t n)
{
	const struct fr_entries entries = { NULL, fake, "3.11.2", "8.1.0", "0.0.1" };

	if (argc > 1 && !strcmp(argv[1], "--loader"))
		return fr_loader_child(argc, argv, &entries);
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

static void on_signal(struct ev_loop *loop, ev_io *io, int revents)
{
	struct loader_world *w = io->data;
	int signo;
	pid_t pid;

	(void)loop;
	(void)revents;
	while ((signo = fr_signals_next(io->fd)) != 0)
		while (signo == SIGCHLD && (pid = fr_child_ended()) > 0)
			if (!w->loader || !fr_loader_ended(w->loader, pid))
				fr_child_reap(pid);
}

static void on_guard(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

void loader_world_init(struct loader_world *w, const char *app)
{
	struct fr_diag diag;

	*w = (struct loader_world){ .err = 1 };
	w->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(w->loop);
	assert_int_equal(fr_signals_open(&w->signal_fd, &diag), 0);
	ev_io_init(&w->signals, on_signal, w->signal_fd, EV_READ);
	w->signals.data = w;
	ev_io_start(w->loop, &w->signals);
	ev_timer_init(&w->guard, on_guard, GUARD, 0.);
	fr_config_init(&w->config);
	w->config.app = strdup(app);
	w->config.app_dir = strdup("/tmp");
	assert_true(w->config.app && w->config.app_dir);
	w->config.timeouts.start = 3600; /* the guard comes first */
	w->config.limits.manifest = 1 << 20;
}

void loader_world_fini(struct loader_world *w)
{
	fr_config_fini(&w->config);
	ev_io_stop(w->loop, &w->signals);
	close(w->signal_fd);
	ev_loop_destroy(w->loop);
}

void loader_world_on_done(void *world, int err)
{
	struct loader_world *w = world;

	assert_false(w->done);
	w->done = true;
	w->err = err;
	ev_break(w->loop, EVBREAK_ALL);
}

void loader_world_run(struct loader_world *w)
{
	ev_now_update(w->loop);
	ev_timer_start(w->loop, &w->guard);
	ev_run(w->loop, 0);
	ev_timer_stop(w->loop, &w->guard);
	if (!w->done)
		fail_msg("on_done was not called within %g s", GUARD);
}
