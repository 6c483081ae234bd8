/* Which of a process's sockets may be a control socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/control.h"

static char folder[32];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/fr_ctl_XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void path_of(const char *name, char ret[96])
{
	snprintf(ret, 96, "%s/%s", folder, name);
}

/* A socket of that name, kind and mode, which listens or not. */
static int open_socket(const char *name, int type, mode_t mode, bool listens)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	char path[96];

	assert_true(fd >= 0);
	path_of(name, path);
	strcpy(sun.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(chmod(path, mode), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void close_socket(int fd, const char *name)
{
	char path[96];

	path_of(name, path);
	close(fd);
	unlink(path);
}

/* The one of this process, with skip before it; NULL: none. */
static void finds(unsigned skip, const char *name)
{
	char *found = fr_control_find(getpid(), skip), path[96];

	if (!name) {
		assert_null(found);
		return;
	}
	path_of(name, path);
	assert_non_null(found);
	assert_string_equal(found, path);
	free(found);
}

static void test_one(void **state)
{
	int fd = open_socket("control", SOCK_STREAM, 0600, true);

	(void)state;
	finds(0, "control");
	finds(1, NULL);
	finds(UINT32_MAX, NULL);
	close_socket(fd, "control");
	finds(0, NULL);
}

static void test_names(void **state)
{
	static const char *const names[] = { "a name with blanks ", "\xc3\xa4", "100%s %n", ".",
		                             "socket:[1]" };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		const char *name = strcmp(names[i], ".") != 0 ? names[i] : "./dot";
		int fd = open_socket(name, SOCK_STREAM, 0600, true);

		finds(0, name);
		close_socket(fd, name);
	}
}

static void test_what_is_none(void **state)
{
	int wide = open_socket("wide", SOCK_STREAM, 0660, true);
	int narrow = open_socket("narrow", SOCK_STREAM, 0400, true);
	int deaf = open_socket("deaf", SOCK_STREAM, 0600, false);
	int datagrams = open_socket("datagrams", SOCK_DGRAM, 0600, false);
	int gone = open_socket("gone", SOCK_STREAM, 0600, true), other, nameless;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[96];

	(void)state;
	path_of("gone", path);
	unlink(path);
	/* Another file in the place of one that was removed. */
	other = open_socket("other", SOCK_STREAM, 0600, true);
	path_of("other", path);
	unlink(path);
	assert_int_equal(mkdir(path, 0600), 0);
	/* In no folder at all. */
	nameless = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sun.sun_path + 1, sizeof sun.sun_path - 1, "/fr_ctl_%d", (int)getpid());
	assert_int_equal(bind(nameless, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(nameless, 1), 0);
	finds(0, NULL);
	rmdir(path);
	close(nameless);
	close(other);
	close(gone);
	close_socket(datagrams, "datagrams");
	close_socket(deaf, "deaf");
	close_socket(narrow, "narrow");
	close_socket(wide, "wide");
}

/* All of them come, one after the other. */
static void test_several(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	bool seen[3] = { false };
	int fds[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		fds[i] = open_socket(names[i], SOCK_STREAM, 0600, true);
	for (unsigned skip = 0; skip < 3; skip++) {
		char *found = fr_control_find(getpid(), skip);

		assert_non_null(found);
		for (size_t i = 0; i < 3; i++)
			seen[i] |= found[strlen(found) - 1] == *names[i];
		free(found);
	}
	assert_true(seen[0] && seen[1] && seen[2]);
	finds(3, NULL);
	for (size_t i = 0; i < 3; i++)
		close_socket(fds[i], names[i]);
}

static void test_of_another_process(void **state)
{
	int fd = open_socket("control", SOCK_STREAM, 0600, true), ready[2], status;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fd);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		close(ready[1]);
		pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_null(fr_control_find(pid, 0)); /* it has closed its copy */
	finds(0, "control");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_null(fr_control_find(pid, 0));
	assert_null(fr_control_find(0, 0));
	assert_null(fr_control_find(-1, 0));
	close(ready[0]);
	close(ready[1]);
	close_socket(fd, "control");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one),
		TEST(test_names),
		TEST(test_what_is_none),
		TEST(test_several),
		TEST(test_of_another_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
