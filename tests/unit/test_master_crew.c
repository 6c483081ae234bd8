/*
 * crew.c: workers that do not start, that die, and whose master dies.
 */
#include "tests/unit/daemon_world.h"
#include "tests/unit/is_gone.h"

#include <signal.h>
#include <unistd.h>

static void test_worker_cannot_start(void **state)
{
	(void)state;
	exits(daemon_of("fake:fails", "2"), 1, "could not start");
	has("Traceback of the lifespan");
	exits(daemon_of("fake:dies", "2"), 1, "exited with code 3 before it was ready");
	exits(daemon_of("fake:one_dies", "3"), 1,
	      "worker 1 was ended by signal 9 (Killed) before it was ready");
	exits(daemon_conf("{\"app\": \"fake:hangs\", \"listen\": [\"unix:sock\"], \"workers\": 2,"
	                  "\"timeouts\": {\"start\": 3}}"), /* enough for the loader */
	      1, "was not ready within timeouts.start (3 s)");
}

static void test_dead_worker_is_replaced(void **state)
{
	pid_t pid = daemon_of("fake:ok", "1"), first, second;

	(void)state;
	wait_for("ready:");
	first = worker_pid(pid);
	kill(first, SIGKILL);
	wait_for("was ended by signal 9 (Killed); it is started again");
	wait_for(") is ready");
	second = worker_pid(pid);
	assert_true(second > 0 && second != first);
	ends(pid);
	pid = daemon_of("fake:brief", "1"); /* none lives long enough to return at once */
	wait_for("started again in 0.");
	kill(pid, SIGTERM); /* also while it waits to start one again */
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static void test_workers_follow_the_master(void **state)
{
	pid_t pid = daemon_of("fake:ok", "1"), worker, spare;

	(void)state;
	wait_for("stands by");
	worker = worker_pid(pid);
	spare = child_pid(pid, "fastrapid-spare");
	kill(pid, SIGKILL);
	assert_int_equal(exit_code(pid), -SIGKILL);
	assert_true(is_gone(worker));
	assert_true(is_gone(spare));
	unlink(sock_path);
	nobody_left();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker_cannot_start),
		cmocka_unit_test(test_dead_worker_is_replaced),
		cmocka_unit_test(test_workers_follow_the_master),
	};

	return daemon_tests(argc, argv, "master_crew", tests, sizeof tests / sizeof *tests);
}
