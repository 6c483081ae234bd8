/* The pid file: written whole, moved, and removed by its writer only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/pid_file.h"

static char folder[32], first[64], second[64];
static char *at;
static struct fr_diag diag;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/fr_pid_XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(first, sizeof first, "%s/first", folder);
	snprintf(second, sizeof second, "%s/second", folder);
	return 0;
}

/* Nothing may be left: no half-written file either. */
static int teardown(void **state)
{
	(void)state;
	fr_pid_file_remove(&at);
	return rmdir(folder);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void holds(const char *path, const char *want)
{
	char text[64] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = 0;
	fclose(f);
	assert_string_equal(text, want);
}

static void holds_our_pid(const char *path)
{
	char want[16];

	snprintf(want, sizeof want, "%d\n", (int)getpid());
	holds(path, want);
}

static void gone(const char *path)
{
	assert_int_equal(access(path, F_OK), -1);
}

static void test_it_is_written_and_removed(void **state)
{
	(void)state;
	assert_int_equal(fr_pid_file_move(&at, first, &diag), 0);
	assert_string_equal(at, first);
	assert_ptr_not_equal(at, first);
	holds_our_pid(first);
	assert_int_equal(fr_pid_file_move(&at, NULL, &diag), 0);
	assert_null(at);
	gone(first);
	fr_pid_file_remove(&at); /* there is none */
	assert_int_equal(fr_pid_file_move(&at, NULL, &diag), 0);
}

static void test_it_moves(void **state)
{
	(void)state;
	assert_int_equal(fr_pid_file_move(&at, first, &diag), 0);
	assert_int_equal(fr_pid_file_move(&at, second, &diag), 0);
	assert_string_equal(at, second);
	holds_our_pid(second);
	gone(first);
}

/* A reload that changes nothing about it leaves alone what is there. */
static void test_it_stays(void **state)
{
	(void)state;
	assert_int_equal(fr_pid_file_move(&at, first, &diag), 0);
	assert_int_equal(unlink(first), 0);
	assert_int_equal(fr_pid_file_move(&at, first, &diag), 0);
	gone(first);
}

static void test_another_servers_is_not_removed(void **state)
{
	static const char *const texts[] = { "1\n", "", "not a number\n", "99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(fr_pid_file_move(&at, first, &diag), 0);
		put(first, texts[i]);
		fr_pid_file_remove(&at);
		assert_null(at);
		holds(first, texts[i]);
		unlink(first);
	}
}

/* What is there is replaced as a whole: a link is not followed. */
static void test_what_is_there_is_replaced(void **state)
{
	struct stat st;

	(void)state;
	put(second, "precious");
	assert_int_equal(symlink(second, first), 0);
	assert_int_equal(fr_pid_file_move(&at, first, &diag), 0);
	assert_int_equal(lstat(first, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	holds_our_pid(first);
	holds(second, "precious");
	unlink(second);
}

/* A server of the same pid was killed while it wrote: in a container every one may be 7. */
static void test_a_half_written_one_is_no_obstacle(void **state)
{
	char temp[96];

	(void)state;
	snprintf(temp, sizeof temp, "%s.%d", first, (int)getpid());
	assert_int_equal(symlink(second, temp), 0);
	assert_int_equal(fr_pid_file_move(&at, first, &diag), 0);
	holds_our_pid(first);
	gone(second);
	gone(temp);
}

static void test_what_fails_changes_nothing(void **state)
{
	char missing[64];

	(void)state;
	snprintf(missing, sizeof missing, "%s/none/pid", folder);
	assert_int_equal(fr_pid_file_move(&at, missing, &diag), FR_EIO);
	assert_null(at);
	assert_string_equal(diag.where, missing);
	assert_string_equal(diag.message, "can't write the pid file: No such file or directory");
	assert_int_equal(fr_pid_file_move(&at, first, &diag), 0);
	assert_int_equal(mkdir(second, 0700), 0);
	assert_int_equal(fr_pid_file_move(&at, second, &diag), FR_EIO); /* a folder is there */
	assert_string_equal(at, first);
	holds_our_pid(first);
	assert_int_equal(rmdir(second), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_is_written_and_removed),
		TEST(test_it_moves),
		TEST(test_it_stays),
		TEST(test_another_servers_is_not_removed),
		TEST(test_what_is_there_is_replaced),
		TEST(test_a_half_written_one_is_no_obstacle),
		TEST(test_what_fails_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
