/* The master's orders, as they come through the socket pair: with descriptors, or not as they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/process.h"

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/open_fds.h"

static int master_fd; /* the master's end */
static struct fr_heritage heritage;
static char order;

static int setup(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	master_fd = pair[0];
	heritage = (struct fr_heritage){ .master_fd = pair[1], .log_fd = 2 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (master_fd >= 0)
		close(master_fd);
	close(heritage.master_fd);
	return 0;
}

/* Sends text with n copies of the descriptor fd. */
static void give(const char *text, size_t len, int fd, size_t n)
{
	char room[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec part = { (void *)(uintptr_t)text, len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *head = (struct cmsghdr *)(void *)room;

		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (size_t i = 0; i < n; i++)
			memcpy(CMSG_DATA(head) + i * sizeof(int), &fd, sizeof fd);
		message.msg_control = room;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	assert_int_equal(sendmsg(master_fd, &message, 0), len);
}

static void test_orders_come_in_turn(void **state)
{
	static const char orders[] = { FR_ORDER_ACCEPT, FR_ORDER_RETIRE, FR_ORDER_HASTEN,
		                       FR_ORDER_STOP, '?' };

	(void)state;
	assert_int_equal(fr_process_order(&heritage, &order), -1);
	assert_int_equal(errno, EAGAIN);
	for (size_t i = 0; i < sizeof orders; i++)
		give(&orders[i], 1, -1, 0);
	for (size_t i = 0; i < sizeof orders; i++) {
		assert_int_equal(fr_process_order(&heritage, &order), 1);
		assert_int_equal(order, orders[i]);
	}
	assert_int_equal(fr_process_order(&heritage, &order), -1);
	give("AR", 2, -1, 0); /* an order is one byte: what follows is none */
	assert_int_equal(fr_process_order(&heritage, &order), 1);
	assert_int_equal(order, FR_ORDER_ACCEPT);
	assert_int_equal(fr_process_order(&heritage, &order), -1);
	close(master_fd);
	master_fd = -1;
	assert_int_equal(fr_process_order(&heritage, &order), 0);
}

/* Two files under one number: the same, or not. */
static bool is_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* In a child, whose standard error may go. */
static int take_the_log(void)
{
	char path[] = "/tmp/fr_log_XXXXXX";
	int fd = mkstemp(path), old = open("/dev/null", O_WRONLY | O_CLOEXEC), status = 0;
	unsigned before;

	heritage.log_fd = old;
	before = open_fds();
	give("L", 1, fd, 1);
	status |= fr_process_order(&heritage, &order) != 1;
	status |= (order != FR_ORDER_REOPEN) << 1;
	status |= !is_file(old, path) << 2;
	status |= !is_file(2, path) << 3;
	status |= (fcntl(old, F_GETFD) != FD_CLOEXEC) << 4;
	status |= (fcntl(2, F_GETFD) != 0) << 5;
	status |= (open_fds() != before) << 6;
	unlink(path);
	return status;
}

static void test_the_log_is_opened_anew(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(take_the_log());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A log that is standard error stays where it is: that is for others to turn. */
static void test_standard_error_stays(void **state)
{
	struct stat before, after;
	unsigned fds = open_fds();
	int fd = open("/dev/null", O_WRONLY);

	(void)state;
	assert_int_equal(fstat(2, &before), 0);
	give("L", 1, fd, 1);
	close(fd);
	assert_int_equal(fr_process_order(&heritage, &order), 1);
	assert_int_equal(fstat(2, &after), 0);
	assert_true(before.st_dev == after.st_dev && before.st_ino == after.st_ino);
	assert_int_equal(open_fds(), fds);
}

/* Descriptors that an order doesn't come with, none where it should, more than one: nothing stays open. */
static void test_descriptors_that_do_not_belong(void **state)
{
	int fd = open("/dev/null", O_WRONLY);
	unsigned fds = open_fds();

	(void)state;
	give("A", 1, fd, 1);
	assert_int_equal(fr_process_order(&heritage, &order), 1);
	assert_int_equal(order, FR_ORDER_ACCEPT);
	assert_int_equal(open_fds(), fds);
	give("L", 1, -1, 0);
	assert_int_equal(fr_process_order(&heritage, &order), 1);
	assert_int_equal(order, FR_ORDER_REOPEN);
	assert_int_equal(open_fds(), fds);
	for (size_t n = 2; n <= 4; n++) {
		give("A", 1, fd, n);
		assert_int_equal(fr_process_order(&heritage, &order), 1);
		assert_int_equal(open_fds(), fds);
	}
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_orders_come_in_turn),
		TEST(test_the_log_is_opened_anew),
		TEST(test_standard_error_stays),
		TEST(test_descriptors_that_do_not_belong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
