/* Accepting when it fails: without descriptors, with other workers, with whatever else. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/net_world.h"

static struct rlimit usual;

/* No descriptor from n on can be opened. */
static void allow_descriptors(int n)
{
	struct rlimit low = usual;

	low.rlim_cur = (rlim_t)n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
}

static int next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static int teardown(void **state)
{
	(void)state;
	return setrlimit(RLIMIT_NOFILE, &usual);
}

static double cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_end(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)t;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* What a while of the loop costs: turns, and seconds of the processor. */
struct cost {
	unsigned turns;
	double cpu;
};

static struct cost run_for(struct world *w, double seconds)
{
	struct cost cost = { ev_iteration(w->loop), cpu_time() };
	ev_timer end;

	ev_now_update(w->loop);
	ev_timer_init(&end, on_end, seconds, 0.);
	ev_timer_start(w->loop, &end);
	ev_run(w->loop, 0);
	cost.turns = ev_iteration(w->loop) - cost.turns;
	cost.cpu = cpu_time() - cost.cpu;
	return cost;
}

static uint64_t accepted(const struct world *w)
{
	return fr_server_counters(w->server)->accepted;
}

static void wait_for_accepted(struct world *w, uint64_t n)
{
	double until = ev_time() + 60;

	while (accepted(w) < n && ev_time() < until)
		run_for(w, 0.02);
	assert_int_equal(accepted(w), n);
}

/* Whether the server has closed it, as the client sees it. */
static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Runs until the server has closed it; the seconds that took. */
static double wait_for_closed(struct world *w, int fd)
{
	double from = ev_time();

	while (!is_closed(fd) && ev_time() < from + 120)
		run_for(w, 0.02);
	assert_true(is_closed(fd));
	return ev_time() - from;
}

/* A world that listens, and clients that will connect. */
struct scene {
	struct world w;
	struct sockaddr_in at;
	int fd, clients[2];
};

static void open_scene(struct scene *s, bool shared)
{
	struct fr_net_limits limits;

	*s = (struct scene){ 0 };
	s->fd = listen_inet(&s->at);
	fr_net_limits_init(&limits);
	limits.shared = shared;
	world_init(&s->w, &limits);
	assert_int_equal(fr_server_listen(s->w.server, s->fd), 0);
	for (int i = 0; i < 2; i++)
		s->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ev_run(s->w.loop, EVRUN_NOWAIT);
}

static void connect_client(struct scene *s, int i)
{
	assert_int_equal(connect(s->clients[i], (struct sockaddr *)&s->at, sizeof(s->at)), 0);
}

static void close_scene(struct scene *s)
{
	for (int i = 0; i < 2; i++)
		close(s->clients[i]);
	world_fini(&s->w);
	close(s->fd);
}

/* A connection is refused by means of the reserve, not left to wake the loop for ever. */
static void test_no_descriptors(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, false);
	allow_descriptors(next_descriptor());
	connect_client(&s, 0);
	ev_run(s.w.loop, EVRUN_ONCE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_int_equal(accepted(&s.w), 0);
	assert_true(is_closed(s.clients[0]));
	connect_client(&s, 1);
	ev_run(s.w.loop, EVRUN_ONCE);
	assert_int_equal(accepted(&s.w), 1);
	close_scene(&s);
}

/* The reserve's descriptor goes to somebody else as soon as it is given up. */
static void test_reserve_taken(void **state)
{
	struct scene s;
	struct cost cost;

	(void)state;
	open_scene(&s, false);
	allow_descriptors(3);
	connect_client(&s, 0);
	cost = run_for(&s.w, 1);
	assert_true(cost.turns < 60);
	assert_true(cost.cpu < 0.2);
	assert_false(is_closed(s.clients[0]));
	/* Who waited is served when there are descriptors again; and there is a reserve. */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	wait_for_accepted(&s.w, 1);
	allow_descriptors(next_descriptor());
	connect_client(&s, 1);
	wait_for_closed(&s.w, s.clients[1]);
	close_scene(&s);
}

/* Any other failure: a socket that wakes the loop and gives no connection. */
static void test_failing_listener(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), client;
	struct world w = { 0 };
	struct cost cost;

	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	world_init(&w, NULL);
	assert_int_equal(fr_server_listen(w.server, fd), 0);
	cost = run_for(&w, 0.5);
	assert_true(cost.turns < 30);
	assert_true(cost.cpu < 0.1);
	assert_int_equal(listen(fd, 16), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	wait_for_accepted(&w, 1);
	close(client);
	world_fini(&w);
	close(fd);
}

/* What others could take as well is not refused. */
static void test_left_to_others(void **state)
{
	struct scene s;
	struct cost cost;
	int other;

	(void)state;
	open_scene(&s, true);
	allow_descriptors(next_descriptor());
	connect_client(&s, 0);
	connect_client(&s, 1);
	cost = run_for(&s.w, 1);
	assert_true(cost.turns < 60);
	assert_true(cost.cpu < 0.2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	other = accept4(s.fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(other >= 0);
	wait_for_accepted(&s.w, 1);
	assert_false(is_closed(s.clients[0]));
	assert_false(is_closed(s.clients[1]));
	close(other);
	close_scene(&s);
}

/* Others are there, but nobody takes it, for long: an end is better than no answer. */
static void test_left_for_long(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, true);
	allow_descriptors(next_descriptor());
	connect_client(&s, 0);
	assert_true(wait_for_closed(&s.w, s.clients[0]) > 3);
	assert_int_equal(accepted(&s.w), 0);
	/* The queue was empty meanwhile: the next one has the same time. */
	run_for(&s.w, 0.3);
	connect_client(&s, 1);
	assert_true(wait_for_closed(&s.w, s.clients[1]) > 3);
	close_scene(&s);
}

/* The end doesn't wait for descriptors. */
static void test_drain_while_short(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, false);
	allow_descriptors(3);
	connect_client(&s, 0);
	run_for(&s.w, 0.05);
	fr_server_drain(s.w.server, 0, world_on_empty, &s.w);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	for (double until = ev_time() + 60; !s.w.drained && ev_time() < until;)
		run_for(&s.w, 0.02);
	assert_true(s.w.drained);
	assert_int_equal(accepted(&s.w), 0); /* it has left the listener to whoever comes next */
	close_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_no_descriptors, teardown),
		cmocka_unit_test_teardown(test_reserve_taken, teardown),
		cmocka_unit_test_teardown(test_failing_listener, teardown),
		cmocka_unit_test_teardown(test_left_to_others, teardown),
		cmocka_unit_test_teardown(test_left_for_long, teardown),
		cmocka_unit_test_teardown(test_drain_while_short, teardown),
	};

	if (getrlimit(RLIMIT_NOFILE, &usual))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
