/*
 * spare.c: the process from which dead workers are replaced.
 */
#include "tests/unit/daemon_world.h"

#include <signal.h>
#include <string.h>
#include <time.h>

/* Kills the worker, and waits for another one. */
static pid_t next_worker(pid_t master)
{
	pid_t first = worker_pid(master), next = 0;

	nanosleep(&(struct timespec){ 0, 300000000 }, NULL); /* it has settled */
	assert_int_equal(kill(first, SIGKILL), 0);
	wait_for(") is ready");
	next = worker_pid(master);
	assert_true(next > 0 && next != first);
	return next;
}

static void test_a_spare_is_forked(void **state)
{
	pid_t pid = daemon_of("fake:ok", "1"), spare, worker;

	(void)state;
	wait_for("of generation 1 stands by\n");
	spare = child_pid(pid, "fastrapid-spare");
	assert_true(spare > 0);
	worker = next_worker(pid);
	assert_true(worker != spare);
	assert_int_equal(child_pid(pid, "fastrapid-spare"), spare);
	assert_null(strstr(slurp(log_path), "again in"));
	ends(pid);
}

static void test_a_spare_is_used_up(void **state)
{
	pid_t pid = daemon_of("fake:spare_once", "1"), spare;

	(void)state;
	wait_for("of generation 1 stands by for one worker: a reason\n");
	spare = child_pid(pid, "fastrapid-spare");
	assert_int_equal(next_worker(pid), spare);
	ends(pid);
}

/* Without a spare, and with one that is of no use, a worker is started from the beginning. */
static void test_no_use_of_a_spare(void **state)
{
	static const struct {
		const char *app, *words;
	} list[] = {
		{ "fake:no_spare",
		  "the spare of generation 1 could not be loaded\n  Traceback of the spare" },
		{ "fake:spare_dies", "exited with code 7: another in 0.1 s" },
		{ "fake:spare_silent", "does not answer: killed" },
		{ "fake:spare_lies", "stands by" },
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		pid_t pid = daemon_of(list[i].app, "1"), spare;

		wait_for(i ? "stands by" : "another in 1.0 s");
		spare = child_pid(pid, "fastrapid-spare");
		assert_true(next_worker(pid) != spare);
		wait_for(list[i].words);
		ends(pid);
	}
}

/* Whom the master has not heard because it was stopped itself has not been late. */
static void test_a_master_that_was_stopped(void **state)
{
	pid_t pid = daemon_conf("{\"app\": \"fake:stops_master\", \"listen\": [\"unix:sock\"],"
	                        "\"workers\": 1, \"timeouts\": {\"start\": 1}}"),
	      spare;

	(void)state;
	wait_for("of generation 1 stands by\n");
	spare = child_pid(pid, "fastrapid-spare");
	assert_true(next_worker(pid) != spare);
	assert_int_equal(child_pid(pid, "fastrapid-spare"), spare);
	assert_null(strstr(slurp(log_path), "timeouts.start"));
	assert_null(strstr(slurp(log_path), "does not answer"));
	assert_null(strstr(slurp(log_path), "again in"));
	ends(pid);
}

static void test_a_spare_that_dies_returns(void **state)
{
	pid_t pid = daemon_of("fake:ok", "1"), spare;

	(void)state;
	wait_for("stands by");
	spare = child_pid(pid, "fastrapid-spare");
	kill(spare, SIGKILL);
	wait_for("was ended by signal 9 (Killed): another in 0.1 s");
	for (int i = 0; i < 6000 && !child_pid(pid, "fastrapid-spare"); i++)
		nap();
	assert_true(child_pid(pid, "fastrapid-spare") > 0);
	ends(pid);
}

static void test_a_spare_is_not_wanted(void **state)
{
	pid_t pid =
		daemon_conf("{\"app\": \"fake:ok\", \"listen\": [\"unix:sock\"], \"workers\": 1,"
	                    "\"spare\": false}");

	(void)state;
	wait_for("ready:");
	next_worker(pid);
	assert_int_equal(child_pid(pid, "fastrapid-spare"), 0);
	assert_null(strstr(slurp(log_path), "spare"));
	ends(pid);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_spare_is_forked),
		cmocka_unit_test(test_a_spare_is_used_up),
		cmocka_unit_test(test_no_use_of_a_spare),
		cmocka_unit_test(test_a_master_that_was_stopped),
		cmocka_unit_test(test_a_spare_that_dies_returns),
		cmocka_unit_test(test_a_spare_is_not_wanted),
	};

	return daemon_tests(argc, argv, "master_spare", tests, sizeof tests / sizeof *tests);
}
