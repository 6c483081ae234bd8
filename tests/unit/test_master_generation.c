/*
 * A generation by itself, from its loader to its last worker: what it tells
 * its owner, what it opens, and that nothing of it is left.
 *
 * The loader is this program, executed again; the workers are forked from it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ev.h>

#include "base/log.h"
#include "master/child.h"
#include "master/generation.h"
#include "master/loader.h"
#include "shm/board.h"
#include "tests/unit/fake_app.h"
#include "tests/unit/open_fds.h"

#define GUARD 60. /* seconds: a test that waits for longer has failed */

static char folder[64], log_path[96];
static struct ev_loop *loop;
static struct fr_status *status;
static ev_io signals;
static ev_timer guard;
static struct fr_generation *all[2]; /* those that children may be of */
static unsigned ready, failed, gone, fds_before;

static void on_signal(struct ev_loop *l, ev_io *io, int revents)
{
	int signo;
	pid_t pid;

	(void)l;
	(void)revents;
	while ((signo = fr_signals_next(io->fd)) != 0) {
		while (signo == SIGCHLD && (pid = fr_child_ended()) > 0) {
			bool known = false;
			int code;

			for (int i = 0; i < 2 && !known; i++)
				known = all[i] && fr_generation_loader_ended(all[i], pid);
			if (known)
				continue;
			code = fr_child_reap(pid);
			for (int i = 0; i < 2 && !known; i++)
				known = all[i] && fr_crew_reaped(&all[i]->crew, pid, code);
			assert_true(known);
		}
	}
}

static void on_guard(struct ev_loop *l, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(l, EVBREAK_ALL);
}

/* Until the events have come so often. */
static void run(const unsigned *events, unsigned often)
{
	ev_now_update(loop);
	ev_timer_set(&guard, GUARD, 0.);
	ev_timer_start(loop, &guard);
	while (*events < often && ev_is_active(&guard))
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &guard);
	if (*events < often)
		fail_msg("it did not come: %u ready, %u failed, %u gone", ready, failed, gone);
}

static void on_ready(void *data, struct fr_generation *g)
{
	assert_ptr_equal(data, &ready);
	assert_false(g->gone);
	ready++;
}

static void on_failed(void *data, struct fr_generation *g)
{
	(void)data;
	assert_false(g->gone);
	failed++;
}

static void on_gone(void *data, struct fr_generation *g)
{
	(void)data;
	assert_true(g->gone);
	gone++;
}

static int setup(void **state)
{
	struct fr_diag diag;
	int fd;

	(void)state;
	fds_before = open_fds();
	snprintf(folder, sizeof folder, "/tmp/fr-test-generation-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(log_path, sizeof log_path, "%s/log", folder);
	loop = ev_loop_new(EVFLAG_AUTO);
	status = loop ? fr_status_new(loop, "0.0.1") : NULL;
	if (!status || fr_signals_open(&fd, &diag) < 0)
		return -1;
	ev_io_init(&signals, on_signal, fd, EV_READ);
	ev_io_start(loop, &signals);
	ev_timer_init(&guard, on_guard, GUARD, 0.);
	ready = failed = gone = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		if (all[i])
			fr_listeners_close(&all[i]->listeners, NULL);
		fr_generation_free(all[i]);
		all[i] = NULL;
	}
	fr_log_init(STDERR_FILENO, FR_INFO);
	fr_status_free(status);
	ev_io_stop(loop, &signals);
	close(signals.fd);
	ev_loop_destroy(loop);
	unlink(log_path);
	if (rmdir(folder) < 0) /* the socket file is gone as well */
		return -1;
	/* No process, no descriptor. */
	return waitpid(-1, NULL, WNOHANG) == -1 && open_fds() == fds_before ? 0 : -1;
}

/* Not started yet.  It listens on a socket in the folder, and logs there. */
static struct fr_generation *made(int place, const char *app, unsigned workers)
{
	const struct fr_generation_events events = { &ready, on_ready, on_failed, on_gone };
	struct fr_config config;
	char address[96];

	fr_config_init(&config);
	snprintf(address, sizeof address, "unix:%s/sock", folder);
	config.app = strdup(app);
	config.app_dir = strdup("/tmp");
	config.listen[0] = strdup(address);
	config.nlisten = 1;
	config.workers = workers;
	config.limits.starting = 1;
	config.spare = 0;
	config.limits.connections = 10;
	config.limits.manifest = 1 << 20;
	config.timeouts.start = GUARD;
	config.timeouts.drain = GUARD;
	config.log.level = FR_LOG_DEBUG;
	config.log.file = strdup(log_path);
	all[place] = fr_generation_new(loop, &fake_entries, 7 + (unsigned)place, &config, status,
	                               events);
	assert_non_null(all[place]);
	assert_null(config.app); /* it is the generation's now */
	return all[place];
}

static struct fr_generation *started(int place, const char *app, unsigned workers,
                                     const struct fr_generation *from)
{
	struct fr_generation *g = made(place, app, workers);
	struct fr_diag diag;

	if (fr_generation_start(g, from, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	return g;
}

static const char *logged(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static void test_not_started(void **state)
{
	(void)state;
	assert_int_equal(made(0, "fake:ok", 1)->number, 7);
	fr_log_init(STDERR_FILENO, FR_INFO);
}

static void test_from_start_to_end(void **state)
{
	struct fr_generation *g = started(0, "fake:talks", 2, NULL);

	(void)state;
	assert_true(fr_generation_has_left(g)); /* nobody is there yet */
	run(&ready, 1);
	assert_int_equal(g->crew.count, 2);
	assert_int_equal(fr_watch_board(g->watch)->nflights, 20); /* two of each connection */
	assert_non_null(strstr(logged(log_path), "while fake:talks was loaded:\n  printed while"));
	fr_generation_stop(g, true);
	assert_int_equal(gone, 0); /* its workers end first */
	run(&gone, 1);
	fr_generation_stop(g, false); /* too late to matter */
	assert_true(ready == 1 && failed == 0 && gone == 1);
}

/* What its workers have told on the board, not what they were told. */
static void test_it_has_left(void **state)
{
	struct fr_generation *g = started(0, "fake:ok", 2, NULL);
	const struct fr_board *board;

	(void)state;
	run(&ready, 1);
	board = fr_watch_board(g->watch);
	for (uint32_t i = 0; i < 2; i++)
		FR_BOARD_PUT(fr_board_slot(board, i)->state, FR_BOARD_SERVING);
	assert_false(fr_generation_has_left(g));
	FR_BOARD_PUT(fr_board_slot(board, 0)->state, FR_BOARD_DRAINING);
	assert_false(fr_generation_has_left(g));
	fr_generation_stop(g, true);
	run(&gone, 1);
	assert_true(fr_generation_has_left(g));
}

/* Waits for all reports of a child, without reading them; then the loop comes to them once. */
static void reports_come(int fd, ev_io *io)
{
	const int bytes = (FAKE_CHATTER + 1) * (int)sizeof(struct fr_report);
	int there = 0;

	for (int i = 0; i < 12000 && there < bytes; i++) {
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
		assert_int_equal(ioctl(fd, FIONREAD, &there), 0);
	}
	assert_int_equal(there, bytes);
	ev_invoke(loop, io, EV_READ);
	assert_int_equal(ioctl(fd, FIONREAD, &there), 0);
	assert_true(there > 0 && there < bytes);
}

/* Whoever has more to say than is worth hearing is heard in turn. */
static void test_many_reports(void **state)
{
	struct fr_generation *g = made(0, "fake:chatters", 1);
	const struct fr_spare *spare = &g->crew.spare;
	struct fr_diag diag;

	(void)state;
	g->config.spare = 1;
	assert_int_equal(fr_generation_start(g, NULL, &diag), 0);
	while (!g->crewed)
		ev_run(loop, EVRUN_ONCE);
	reports_come(g->crew.members[0].report_fd, &g->crew.members[0].report);
	assert_int_equal(ready, 0);
	run(&ready, 1);
	fr_crew_accept(&g->crew);
	while (spare->state != FR_SPARE_LOADING)
		ev_run(loop, EVRUN_ONCE);
	reports_come(spare->fd, &g->crew.spare.io);
	assert_int_equal(spare->state, FR_SPARE_LOADING);
	while (spare->state == FR_SPARE_LOADING)
		ev_run(loop, EVRUN_ONCE);
	assert_int_equal(spare->state, FR_SPARE_PARKED);
	fr_generation_stop(g, true);
	run(&gone, 1);
}

static void fails(const char *app, const char *message, const char *said)
{
	struct fr_generation *g = started(0, app, 1, NULL);

	run(&gone, 1);
	assert_true(ready == 0 && failed == 1 && gone == 1);
	assert_non_null(strstr(g->diag.message, message));
	assert_string_equal(g->said ? g->said : "", said);
}

static void test_it_can_not_be_loaded(void **state)
{
	(void)state;
	fails("fake:broken", "can't be loaded (exit code 1)", "Traceback: line 1\n  line \"2\"\n");
}

static void test_it_gives_garbage(void **state)
{
	(void)state;
	fails("fake:garbage", "", "");
}

static void test_its_workers_fail(void **state)
{
	(void)state;
	fails("fake:fails", "worker 0 could not start", "Traceback of the lifespan");
}

/* Who stops it knows that it does not come up: that is no failure to be told. */
static void test_stopped_while_it_loads(void **state)
{
	struct fr_generation *g = started(0, "fake:slow", 1, NULL);

	(void)state;
	fr_generation_stop(g, true);
	run(&gone, 1);
	assert_true(ready == 0 && failed == 0 && gone == 1);
	assert_non_null(strstr(g->diag.message, "stopped while \"fake:slow\" was loaded"));
}

static void test_stopped_while_its_workers_start(void **state)
{
	struct fr_generation *g = started(0, "fake:hangs", 1, NULL);

	(void)state;
	while (!g->crewed)
		ev_run(loop, EVRUN_ONCE);
	fr_generation_stop(g, false);
	run(&gone, 1);
	assert_int_equal(ready, 0);
}

static void test_a_log_that_can_not_be(void **state)
{
	struct fr_generation *g = made(0, "fake:ok", 1);
	struct fr_diag diag;

	(void)state;
	free(g->config.log.file);
	g->config.log.file = strdup("/no/such/folder/log");
	assert_true(fr_generation_start(g, NULL, &diag) < 0);
	assert_string_equal(diag.where, "/no/such/folder/log");
	assert_non_null(strstr(diag.message, "can't open the log"));
	assert_int_equal(failed + gone, 0);
}

static void test_the_log_is_opened_anew(void **state)
{
	struct fr_generation *g = started(0, "fake:ok", 1, NULL);
	struct fr_diag diag;
	struct stat there, here;
	char renamed[128];

	(void)state;
	run(&ready, 1);
	snprintf(renamed, sizeof renamed, "%s.1", log_path);
	assert_int_equal(rename(log_path, renamed), 0);
	assert_int_equal(fr_generation_reopen_log(g, &diag), 0);
	fr_log(FR_INFO, "the next line");
	assert_non_null(strstr(logged(log_path), "the next line"));
	assert_null(strstr(logged(renamed), "the next line"));
	unlink(renamed);
	/* What can't be opened leaves it where it was. */
	unlink(log_path);
	assert_int_equal(mkdir(log_path, 0700), 0);
	assert_true(fr_generation_reopen_log(g, &diag) < 0);
	rmdir(log_path);
	assert_int_equal(fstat(g->log_fd, &there), 0);
	assert_int_equal(fr_generation_reopen_log(g, &diag), 0);
	assert_int_equal(stat(log_path, &here), 0);
	assert_true(S_ISREG(there.st_mode) && there.st_ino != here.st_ino);
	fr_generation_stop(g, true);
	run(&gone, 1);
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* The next one has the same socket, by a descriptor of its own. */
static void test_two_share_a_socket(void **state)
{
	struct fr_generation *first = started(0, "fake:ok", 1, NULL), *second;
	char path[96];

	(void)state;
	run(&ready, 1);
	second = started(1, "fake:ok", 1, first);
	assert_int_not_equal(first->listeners.list[0].fd, second->listeners.list[0].fd);
	assert_int_equal(inode_of(first->listeners.list[0].fd),
	                 inode_of(second->listeners.list[0].fd));
	run(&ready, 2);
	fr_listeners_close(&first->listeners, &second->listeners);
	snprintf(path, sizeof path, "%s/sock", folder);
	assert_int_equal(access(path, F_OK), 0);
	fr_generation_stop(first, true);
	run(&gone, 1);
	assert_true(first->gone && !second->gone);
	fr_generation_stop(second, false);
	run(&gone, 2);
}

/* Beside another one its workers start two at a time, here: of three that hang, two are there. */
static void test_stopped_between_its_workers(void **state)
{
	struct fr_generation *first = started(0, "fake:ok", 1, NULL), *second;

	(void)state;
	run(&ready, 1);
	second = started(1, "fake:hangs", 3, first);
	second->config.limits.starting = 2;
	while (!second->crewed)
		ev_run(loop, EVRUN_ONCE);
	assert_true(second->crew.members[0].pid > 0 && second->crew.members[1].pid > 0);
	assert_true(second->crew.started == 2 && second->crew.members[2].pid == 0);
	assert_int_equal(fr_generation_reopen_log(second, &(struct fr_diag){ 0 }), 0);
	fr_generation_stop(second, true);
	run(&gone, 1);
	assert_true(second->gone && ready == 1 && failed == 0);
	fr_generation_stop(first, false);
	run(&gone, 2);
}

static void test_the_next_worker_can_not_be_started(void **state)
{
	struct fr_generation *first = started(0, "fake:ok", 1, NULL), *second;
	struct rlimit before, few = { 0 };

	(void)state;
	run(&ready, 1);
	second = started(1, "fake:ok", 2, first);
	while (!second->crewed)
		ev_run(loop, EVRUN_ONCE);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few),
	                 0); /* the first one is there, or on its way */
	run(&failed, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_string_equal(second->diag.message,
	                    "crew: can't make a socket pair: Too many open files");
	run(&gone, 1);
	assert_true(second->gone && ready == 1);
	fr_generation_stop(first, false);
	run(&gone, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_not_started),
		TEST(test_from_start_to_end),
		TEST(test_it_has_left),
		TEST(test_many_reports),
		TEST(test_it_can_not_be_loaded),
		TEST(test_it_gives_garbage),
		TEST(test_its_workers_fail),
		TEST(test_stopped_while_it_loads),
		TEST(test_stopped_while_its_workers_start),
		TEST(test_a_log_that_can_not_be),
		TEST(test_the_log_is_opened_anew),
		TEST(test_two_share_a_socket),
		TEST(test_stopped_between_its_workers),
		TEST(test_the_next_worker_can_not_be_started),
	};

	if (argc > 1 && !strcmp(argv[1], "--loader"))
		return fr_loader_child(argc, argv, &fake_entries);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
