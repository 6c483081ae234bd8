/*
 * main.c and master.c: the command line, the loader's failures as the daemon
 * tells them, signals, files, exit codes.
 */
#include "tests/unit/daemon_world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/heritage.h"

static void test_starts_and_stops(void **state)
{
	const int signals[] = { SIGTERM, SIGINT };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pid_t pid = daemon_of("fake:ok", "3");

		wait_for("ready: fake:ok, 0 routes, 3 workers");
		assert_int_equal(access(sock_path, F_OK), 0);
		kill(pid, signals[i]);
		assert_int_equal(exit_code(pid), 0);
		has("stopped");
		assert_null(strstr(slurp(log_path), " error "));
		nobody_left();
	}
}

static void test_fast_stop(void **state)
{
	pid_t pid = daemon_of("fake:ok", "2");

	(void)state;
	wait_for("ready:");
	kill(pid, SIGQUIT); /* the fake worker leaves it at its default */
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static void test_second_signal_kills(void **state)
{
	pid_t pid = daemon_of("fake:stuck", "2");

	(void)state;
	wait_for("ready:");
	/* Both are there when it looks: the second one is too early to be another. */
	kill(pid, SIGSTOP);
	kill(pid, SIGTERM);
	kill(pid, SIGINT);
	kill(pid, SIGCONT);
	wait_for("stopping");
	usleep((unsigned)(FR_SIGNALS_ARE_ONE * 1e6) + 100000);
	assert_null(strstr(slurp(log_path), "at once"));
	kill(pid, SIGTERM);
	wait_for("at once");
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static void loader_fails(const char *app, const char *words, const char *more)
{
	exits(daemon_of(app, "1"), 1, words);
	has(more);
}

static void test_loader_failures(void **state)
{
	(void)state;
	loader_fails("fake:broken", "\"fake:broken\" can't be loaded (exit code 1)\n",
	             "\nTraceback: line 1\n  line \"2\"\n");
	loader_fails("fake:silent", "gave no manifest", "fastrapid: ");
	loader_fails("fake:garbage", "fastrapid: ", "manifest");
	loader_fails("fake:aborts", "was ended by signal 6", "Aborted");
}

static void test_loader_limits(void **state)
{
	(void)state;
	exits(daemon_conf("{\"app\": \"fake:big\", \"listen\": [\"unix:sock\"],"
	                  "\"limits\": {\"manifest\": \"1M\"}}"),
	      1, "larger than limits.manifest (1048576 bytes)");
	exits(daemon_conf("{\"app\": \"fake:slow\", \"listen\": [\"unix:sock\"],"
	                  "\"timeouts\": {\"start\": 0.3}}"),
	      1, "not loaded within timeouts.start (0.3 s)");
}

static void test_loader_is_stopped(void **state)
{
	pid_t pid = daemon_of("fake:slow", "1");
	pid_t loader = 0;

	(void)state;
	for (int i = 0; i < 6000 && !loader; i++) {
		nap();
		loader = child_pid(pid, NULL);
	}
	assert_true(loader > 0);
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	assert_int_equal(kill(loader, 0), -1);
	nobody_left();
}

static void test_loader_prints_and_leaves_children(void **state)
{
	pid_t pid = daemon_of("fake:talks", "1");

	(void)state;
	wait_for("ready:");
	has("printed while imported");
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	pid = daemon_of("fake:leaves_child", "1");
	wait_for("ready:");
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static void test_pid_file_and_log_file(void **state)
{
	struct stat st;
	char own[64];
	pid_t pid =
		daemon_conf("{\"app\": \"fake:ok\", \"listen\": [\"unix:sock\"], \"workers\": 1,"
	                    "\"pid_file\": \"pid\", \"log\": {\"file\": \"own.log\"}}");

	(void)state;
	snprintf(own, sizeof own, "%s/own.log", folder);
	for (int i = 0; i < 6000 && !strstr(slurp(own), "ready:"); i++)
		nap();
	assert_non_null(strstr(slurp(own), "ready: fake:ok"));
	assert_int_equal(atoi(slurp(pid_path)), pid);
	assert_int_equal(stat(sock_path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	assert_int_not_equal(access(pid_path, F_OK), 0);
	assert_string_equal(slurp(log_path), "");
	unlink(own);
	nobody_left();
}

/* Until nobody answers on the socket: a worker outlives a killed master by a moment. */
static void wait_for_silence(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int refused = 0;

	memcpy(sun.sun_path, sock_path, sizeof sock_path);
	for (int i = 0; i < 6000 && !refused; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		assert_true(fd >= 0);
		refused = connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0 &&
		          errno == ECONNREFUSED;
		close(fd);
		if (!refused)
			nap();
	}
	assert_true(refused);
}

static void test_address_in_use(void **state)
{
	pid_t first = daemon_of("fake:ok", "1"), second;
	char line[512];

	(void)state;
	wait_for("ready:");
	second = daemon_of("fake:ok", "1");
	assert_int_equal(exit_code(second), 1);
	snprintf(line, sizeof line, "%s: another server listens here already", listen_arg);
	has(line);
	assert_int_equal(access(sock_path, F_OK), 0);
	kill(first, SIGKILL);
	exit_code(first);
	wait_for_silence();
	second = daemon_of("fake:ok", "1"); /* the file that the first one left is stale */
	wait_for("ready:");
	kill(second, SIGTERM);
	assert_int_equal(exit_code(second), 0);
	nobody_left();
}

static void prints(const char *const args[], int code, const char *words)
{
	exits(daemon_with(args), code, words);
}

static void test_command_line(void **state)
{
	(void)state;
	prints((const char *const[]){ "-t", "--app", "fake:ok", NULL }, 0,
	       "application fake:ok: 0 routes ok\n");
	prints((const char *const[]){ "-t", "--app", "fake:broken", NULL }, 1,
	       "\nTraceback: line 1\n");
	prints((const char *const[]){ "--dump", "manifest", "--app", "fake:ok", NULL }, 0,
	       "\"fake:ok\"");
	prints((const char *const[]){ "--dump=image", "--app", "fake:ok", NULL }, 0, "fake:ok");
	prints((const char *const[]){ "--explain", "GET /x", "--app", "fake:ok", NULL }, 1, "404");
	prints((const char *const[]){ "-T", "--workers", "7", NULL }, 0, "\"workers\": 7");
	prints((const char *const[]){ "--version", NULL }, 0, "Python 3.11.2\n");
	prints((const char *const[]){ "--help", NULL }, 0, "--explain 'METHOD PATH'");
	prints((const char *const[]){ NULL }, 2, "nothing to serve");
	prints((const char *const[]){ "--worker", "1", NULL }, 2, "is it --workers?");
	prints((const char *const[]){ "-x", NULL }, 2, "found the unknown option -x");
	prints((const char *const[]){ "x", NULL }, 2, "found the unknown argument x");
	prints((const char *const[]){ "--workers", NULL }, 2, "--workers: expected N after it");
	prints((const char *const[]){ "--workers=", NULL }, 2, "--workers=: expected N after it");
	prints((const char *const[]){ "-t", "-T", NULL }, 2, "only one of");
	prints((const char *const[]){ "--dump", "x", NULL }, 2, "expected manifest or image");
	prints((const char *const[]){ "--explain", "/x", NULL }, 2, "expected a method and a path");
	prints((const char *const[]){ "--app", "fake", NULL }, 1,
	       "--app: found \"fake\", expected");
	prints((const char *const[]){ "--loader", NULL }, 2, "for the master's use only");
	prints((const char *const[]){ "-c", "/nonexistent", NULL }, 1, "No such file");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_and_stops),
		cmocka_unit_test(test_fast_stop),
		cmocka_unit_test(test_second_signal_kills),
		cmocka_unit_test(test_loader_failures),
		cmocka_unit_test(test_loader_limits),
		cmocka_unit_test(test_loader_is_stopped),
		cmocka_unit_test(test_loader_prints_and_leaves_children),
		cmocka_unit_test(test_pid_file_and_log_file),
		cmocka_unit_test(test_address_in_use),
		cmocka_unit_test(test_command_line),
	};

	return daemon_tests(argc, argv, "master_main", tests, sizeof tests / sizeof *tests);
}
