/* What a forked child finds: its name, its group, its descriptors, and nothing else of the master's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ev.h>

#include "base/log.h"
#include "master/spawn.h"

/* ---- what runs as the worker ---- */

struct seen {
	char name[16];
	unsigned worker, generation;
	bool own_group, null_stdin, log_is_stderr, blocked;
	unsigned strange; /* descriptors that are not of the heritage */
};

static bool is_same(int a, int b)
{
	struct stat of_a, of_b;

	return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

static bool inherits(const struct fr_heritage *h, int fd)
{
	for (size_t i = 0; i < h->nlisteners; i++)
		if (h->listeners[i].fd == fd)
			return true;
	return fd <= 2 || fd == h->image_fd || fd == h->master_fd || fd == h->log_fd;
}

static unsigned count_strange(const struct fr_heritage *h)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir) &&
		     !inherits(h, atoi(e->d_name));
	if (dir)
		closedir(dir);
	return n;
}

static int look_around(const struct fr_heritage *h)
{
	struct seen seen = { .worker = h->worker, .generation = h->generation };
	int null = open("/dev/null", O_RDONLY);
	sigset_t mask;

	seen.null_stdin = is_same(0, null);
	close(null);
	prctl(PR_GET_NAME, seen.name, 0, 0, 0);
	seen.own_group = getpgrp() == getpid();
	seen.log_is_stderr = is_same(2, h->log_fd);
	seen.strange = count_strange(h);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i <= 31; i++)
		seen.blocked |= sigismember(&mask, i) == 1;
	fr_log(FR_INFO, "it is worker %u", h->worker);
	return send(h->master_fd, &seen, sizeof seen, 0) == (ssize_t)sizeof seen ? 7 : 8;
}

/* ---- the master ---- */

static const struct fr_entries entries = { .worker = look_around };
static struct fr_config config;
static struct fr_heritage heritage;
static struct fr_listener listener;
static struct ev_loop *loop;
static FILE *image, *words;

static int setup(void **state)
{
	(void)state;
	image = tmpfile();
	words = tmpfile();
	loop = ev_loop_new(EVFLAG_AUTO);
	if (!image || !words || !loop)
		return -1;
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	config = (struct fr_config){ .log.level = FR_LOG_INFO };
	heritage = (struct fr_heritage){ .config = &config,
		                         .listeners = &listener,
		                         .nlisteners = 1,
		                         .image_fd = fileno(image),
		                         .log_fd = fileno(words),
		                         .master_fd = -1,
		                         .worker = 3,
		                         .generation = 5,
		                         .master_pid = (int)getpid() };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(listener.fd);
	fclose(image);
	fclose(words);
	ev_loop_destroy(loop);
	return waitpid(-1, NULL, WNOHANG) == -1 ? 0 : -1;
}

static pid_t spawned(int *ret_fd)
{
	struct fr_diag diag;
	pid_t pid = 0;

	if (fr_spawn(loop, &entries, &heritage, &pid, ret_fd, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	assert_int_equal(heritage.master_fd, -1); /* it is the child's alone */
	return pid;
}

static int code_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char *logged(void)
{
	static char text[4096];
	ssize_t n = pread(fileno(words), text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static struct seen look(const char *name)
{
	struct seen seen;
	char end;
	int fd;
	pid_t pid = spawned(&fd);

	assert_true(getpgid(pid) == pid);
	assert_int_equal(recv(fd, &seen, sizeof seen, 0), sizeof seen);
	assert_int_equal(code_of(pid), 7);
	assert_int_equal(recv(fd, &end, 1, 0), 0); /* nobody else holds its end */
	close(fd);
	assert_string_equal(seen.name, name);
	assert_true(seen.own_group && seen.null_stdin && seen.log_is_stderr);
	assert_false(seen.blocked);
	assert_int_equal(seen.strange, 0);
	return seen;
}

static void test_a_worker(void **state)
{
	int leak = open("/dev/null", O_RDONLY); /* without close-on-exec: it is not executed */
	sigset_t term, before;
	struct seen seen;

	(void)state;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	seen = look("fastrapid-w3");
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(seen.worker, 3);
	assert_int_equal(seen.generation, 5);
	assert_non_null(strstr(logged(), "it is worker 3\n"));
	close(leak);
}

static void test_a_spare(void **state)
{
	(void)state;
	heritage.spare = true;
	look("fastrapid-spare");
}

/* What it is to write to can be at most as important as the configuration says. */
static void test_the_logs_level(void **state)
{
	(void)state;
	config.log.level = FR_LOG_WARNING;
	look("fastrapid-w3");
	assert_null(strstr(logged(), "it is worker"));
}

/* It does not run the application with privileges that it was not to have. */
static void test_a_user_that_there_is_not(void **state)
{
	char byte;
	int fd;

	(void)state;
	config.user = "nobody-of-this-name";
	assert_int_equal(code_of(spawned(&fd)), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	assert_non_null(strstr(logged(), "fastrapid-w3: "));
	assert_non_null(strstr(logged(), "nobody-of-this-name"));
	close(fd);
}

/* ---- descriptors over the pair ---- */

static int receive(int socket, char bytes[8], ssize_t *ret_len)
{
	struct iovec part = { bytes, 8 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &part,
		                  .msg_iovlen = 1,
		                  .msg_control = &control,
		                  .msg_controllen = sizeof control };
	int fd = -1;

	*ret_len = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (message.msg_controllen >= CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
	return fd;
}

static void test_a_descriptor_is_sent(void **state)
{
	struct fr_diag diag;
	char bytes[8];
	ssize_t len;
	int ends[2], fd;

	(void)state;
	assert_int_equal(fr_spawn_pair(ends, &diag), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fcntl(ends[i], F_GETFD), FD_CLOEXEC);
	assert_int_equal(fr_spawn_send_fd(ends[0], "abc", 3, fileno(words)), 0);
	assert_int_equal(fr_spawn_send_fd(ends[0], "d", 1, fileno(image)), 0);
	fd = receive(ends[1], bytes, &len); /* one message each */
	assert_int_equal(len, 3);
	assert_memory_equal(bytes, "abc", 3);
	assert_true(fd >= 0 && fd != fileno(words) && is_same(fd, fileno(words)));
	close(fd);
	fd = receive(ends[1], bytes, &len);
	assert_int_equal(len, 1);
	assert_true(is_same(fd, fileno(image)));
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

/* One that does not listen is not waited for; one that is gone is an error, and no signal. */
static void test_nobody_takes_it(void **state)
{
	struct fr_diag diag;
	int ends[2], err = 0;

	(void)state;
	assert_int_equal(fr_spawn_pair(ends, &diag), 0);
	for (int i = 0; i < 100000 && err == 0; i++)
		err = fr_spawn_send_fd(ends[0], "x", 1, fileno(words));
	assert_int_equal(err, FR_EIO);
	assert_true(errno == EAGAIN || errno == ETOOMANYREFS);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(fr_spawn_pair(ends, &diag), 0);
	close(ends[1]);
	assert_int_equal(fr_spawn_send_fd(ends[0], "x", 1, fileno(words)), FR_EIO);
	assert_int_equal(errno, EPIPE);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_spare, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_logs_level, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_user_that_there_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_descriptor_is_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_takes_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
