/* The status as a table, of a board that the test has written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/status_world.h"

static void has(const char *table, const char *words)
{
	if (!strstr(table, words))
		fail_msg("\"%s\" is not in:\n%s", words, table);
}

static void test_table(void **state)
{
	struct status_world w;
	char *table, line[128];

	(void)state;
	status_world_init(&w);
	table = fr_status_table(w.status);
	assert_non_null(table);
	snprintf(line, sizeof line, "fastrapid 9.8.7, pid %d, up 0:00:0", (int)getpid());
	has(table, line);
	has(table,
	    ", generation 3\n109 requests, 1 in flight, 0 errors, 7 refused, 6 connections\n");
	has(table, "0 reloads, 0 failed; 0 restarts of workers, 0 requests lost\n");
	snprintf(line, sizeof line, "     0 %7d    3 serving            109      1     6        1",
	         (int)getpid());
	has(table, line);
	has(table, ": POST /items, request 42\n");
	has(table, "     1       0    3 not running          0      0     0        0");
	has(table, " async     GET /items/{id}\n");
	assert_null(strstr(table, "the last reload failed"));
	free(table);
	status_world_fini(&w);
}

/* The busiest route stands first. */
static void test_order(void **state)
{
	struct status_world w;
	const char *first, *second, *third;
	char *table;

	(void)state;
	status_world_init(&w);
	table = fr_status_table(w.status);
	assert_non_null(table);
	first = strstr(table, "GET /items/{id}\n");
	second = strstr(table, "POST /items\n");
	third = strstr(table, "no route\n");
	assert_non_null(first);
	assert_non_null(second);
	assert_non_null(third);
	assert_true(first < second && second < third);
	free(table);
	status_world_fini(&w);
}

static void test_what_went_wrong(void **state)
{
	struct status_world w;
	char *table;

	(void)state;
	status_world_init(&w);
	for (int i = 0; i < 7; i++) {
		char place[32];

		snprintf(place, sizeof place, "main.py:%d", i);
		status_world_error(&w, 0, "ValueError", place, "Traceback\n");
	}
	status_world_error(&w, 0, "ValueError", "main.py:1", "Traceback\n");
	fr_status_reload_failed(w.status, "SyntaxError");
	fr_watch_died(w.watch, 1, 1, "was ended by signal 11", true);
	table = fr_status_table(w.status);
	assert_non_null(table);
	has(table, "the last reload failed: SyntaxError\n");
	has(table, "1 reloads, 1 failed; 1 restarts of workers");
	has(table, "  1 times a worker was ended by signal 11\n");
	int shown = 0;
	for (const char *p = table; (p = strstr(p, "times ValueError at main.py:")); p++)
		shown++;
	assert_int_equal(shown, 5); /* the newest */
	free(table);
	status_world_fini(&w);
}

/* A long traceback is shown whole. */
static void test_long_traceback(void **state)
{
	static char text[FR_BOARD_ERROR_TEXT + 1];
	struct status_world w;
	char *table;

	(void)state;
	memset(text, 'x', FR_BOARD_ERROR_TEXT);
	status_world_init(&w);
	status_world_error(&w, 0, "ValueError", "main.py:1", text);
	table = fr_status_table(w.status);
	assert_non_null(table);
	has(table, "1 times ValueError at main.py:1, last ");
	assert_true(strlen(table) > FR_BOARD_ERROR_TEXT);
	free(table);
	status_world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_what_went_wrong),
		cmocka_unit_test(test_long_traceback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
