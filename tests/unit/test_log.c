#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"

static int ends[2];
static char got[65536];

/* What was logged since the last call, as one string. */
static const char *logged(void)
{
	ssize_t n = read(ends[0], got, sizeof got - 1);

	got[n > 0 ? n : 0] = '\0';
	return got;
}

static int open_pipe(void **state)
{
	(void)state;
	if (pipe(ends))
		return -1;
	fr_log_init(ends[1], FR_INFO);
	return 0;
}

static int close_pipe(void **state)
{
	(void)state;
	fr_log_init(STDERR_FILENO, FR_INFO);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void a_line_has_time_level_and_message(void **state)
{
	const char *line;

	(void)state;
	fr_log(FR_WARNING, "worker %d left", 3);
	line = logged();
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[23], 'Z');
	assert_non_null(strstr(line, "Z warning ["));
	assert_non_null(strstr(line, "] worker 3 left\n"));
}

static void below_the_level_nothing_is_written(void **state)
{
	(void)state;
	fr_log(FR_DEBUG, "quiet");
	fr_log(FR_ERROR, "loud");
	assert_null(strstr(logged(), "quiet"));
	assert_non_null(strstr(got, "loud"));
}

static void nothing_forges_a_line(void **state)
{
	(void)state;
	fr_log(FR_INFO, "path %s", "/a\r\nb\x1b[31m\x7f\t\xc3\xa4\xff\xc2\x85");
	assert_non_null(
		strstr(logged(), "path /a\\x0d\\x0ab\\x1b[31m\\x7f \xc3\xa4\\xff\\xc2\\x85\n"));
}

static void further_lines_are_indented(void **state)
{
	(void)state;
	fr_log_text(FR_ERROR, "one\ntwo\n", 8, "failed");
	assert_non_null(strstr(logged(), "] failed\n  one\n  two\n"));
}

static void a_long_message_is_one_bounded_line(void **state)
{
	char *text = malloc(100000);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 100000);
	fr_log_text(FR_ERROR, text, 100000, "%.*s", 9000, text);
	assert_in_range(strlen(logged()), 4096, 16384);
	assert_int_equal(got[strlen(got) - 1], '\n');
	free(text);
}

/* A full disk, of a kind: half of a line has room, the next one has none. */
static void lost_lines_are_counted(void **state)
{
	char path[] = "/tmp/fr_log_XXXXXX", text[1024];
	struct rlimit before, small;
	int fd = mkstemp(path);
	const char *last;
	ssize_t n;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 60;
	fr_log_init(fd, FR_INFO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	fr_log(FR_INFO, "the first is longer than there is room for, and is cut");
	fr_log(FR_INFO, "the second is lost");
	fr_log(FR_INFO, "the third is lost");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	fr_log(FR_INFO, "room");
	fr_log(FR_INFO, "more");
	n = pread(fd, text, sizeof text - 1, 0);
	assert_true(n > 0);
	text[n] = 0;
	assert_null(strstr(text, "is lost"));
	assert_non_null(strstr(text, "] 3 lines were lost: they could not be written\n"));
	assert_int_equal(text[60], '\n'); /* what was cut has its own line */
	last = strstr(text, "] room\n");
	assert_non_null(last);
	assert_null(strstr(last, "lost"));
	assert_non_null(strstr(last, "] more\n"));
	signal(SIGXFSZ, SIG_DFL);
	fr_log_init(ends[1], FR_INFO);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_has_time_level_and_message, open_pipe,
		                                close_pipe),
		cmocka_unit_test_setup_teardown(below_the_level_nothing_is_written, open_pipe,
		                                close_pipe),
		cmocka_unit_test_setup_teardown(nothing_forges_a_line, open_pipe, close_pipe),
		cmocka_unit_test_setup_teardown(further_lines_are_indented, open_pipe, close_pipe),
		cmocka_unit_test_setup_teardown(lost_lines_are_counted, open_pipe, close_pipe),
		cmocka_unit_test_setup_teardown(a_long_message_is_one_bounded_line, open_pipe,
		                                close_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
