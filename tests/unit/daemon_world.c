#include "tests/unit/daemon_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/fake_app.h"

char folder[] = "/tmp/fr-test-daemon-XXXXXX";
char sock_path[64], listen_arg[80], pid_path[64], log_path[64];
static char conf_path[64];
static char text[200000];

const char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

pid_t daemon_with(const char *const args[])
{
	const char *argv[20] = { "fastrapid" };
	pid_t pid;

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	unlink(log_path);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		setenv("FR_TEST_DAEMON", "1", 1);
		execv("/proc/self/exe", (char **)(uintptr_t)argv);
		_exit(125);
	}
	return pid;
}

pid_t daemon_of(const char *app, const char *workers)
{
	const char *const args[] = { "--app",    app,        "--workers", workers,
		                     "--listen", listen_arg, NULL };

	return daemon_with(args);
}

void nap(void)
{
	nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
}

void wait_for(const char *words)
{
	for (int i = 0; i < 6000; i++) {
		if (strstr(slurp(log_path), words))
			return;
		nap();
	}
	fail_msg("\"%s\" never came in: %s", words, slurp(log_path));
}

int exit_code(pid_t pid)
{
	int status;

	for (int i = 0; i < 6000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		nap();
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	fail_msg("it did not end: %s", slurp(log_path));
	return -1;
}

void nobody_left(void)
{
	pid_t pid = 0;

	/* What was killed at last takes a moment to end. */
	for (int i = 0; i < 6000 && pid >= 0; i++) {
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid == 0)
			nap();
	}
	assert_int_equal(pid, -1);
	assert_int_not_equal(access(sock_path, F_OK), 0);
	assert_null(strstr(slurp(log_path), "Sanitizer"));
}

void exits(pid_t pid, int code, const char *words)
{
	assert_int_equal(exit_code(pid), code);
	has(words);
	nobody_left();
}

void has(const char *words)
{
	if (!strstr(slurp(log_path), words))
		fail_msg("\"%s\" is not in: %s", words, text);
}

pid_t child_pid(pid_t master, const char *name)
{
	char path[64], children[256], *at = children, *end;
	pid_t pid;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)master, (int)master);
	snprintf(children, sizeof children, "%.255s", slurp(path));
	while ((pid = (pid_t)strtol(at, &end, 10)) > 0) {
		snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
		if (!name || !strncmp(slurp(path), name, strlen(name)))
			return pid;
		at = end;
	}
	return 0;
}

pid_t worker_pid(pid_t master)
{
	return child_pid(master, "fastrapid-w");
}

pid_t daemon_conf(const char *conf)
{
	const char *const args[] = { "-c", conf_path, NULL };
	FILE *f = fopen(conf_path, "w");

	assert_non_null(f);
	fputs(conf, f);
	fclose(f);
	return daemon_with(args);
}

void ends(pid_t pid)
{
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static int set_up(void **state)
{
	(void)state;
	/* What the daemon leaves behind becomes a child of ours. */
	if (!mkdtemp(folder) || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -1;
	snprintf(log_path, sizeof log_path, "%s/log", folder);
	snprintf(sock_path, sizeof sock_path, "%s/sock", folder);
	snprintf(listen_arg, sizeof listen_arg, "unix:%s", sock_path);
	snprintf(pid_path, sizeof pid_path, "%s/pid", folder);
	snprintf(conf_path, sizeof conf_path, "%s/conf", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(log_path);
	unlink(conf_path);
	return rmdir(folder);
}

int daemon_tests(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t n)
{
	if (getenv("FR_TEST_DAEMON"))
		return fr_master_main(argc, argv, &fake_entries);
	return _cmocka_run_group_tests(name, tests, n, set_up, tear_down);
}
