/* The text of a configuration: comments, and where everything stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "master/conf_text.h"

static void test_blank(void **state)
{
	char text[] = "{ // one\n\"a//b\": /* \xc3\xa9\n*/ \"\\\"/*\" }";
	struct fr_diag diag;

	(void)state;
	assert_int_equal(fr_conf_blank(text, strlen(text), "f", &diag), 0);
	/* Strings stay; a character of two bytes takes one column. */
	assert_string_equal(text, "{       \n\"a//b\":     \r\n   \"\\\"/*\" }");
	strcpy(text, "{}\n /* x");
	assert_int_equal(fr_conf_blank(text, strlen(text), "f", &diag), FR_EINVAL);
	assert_string_equal(diag.where, "f:2:2");
}

static void mark_is(const char *text, const struct fr_conf_marks *marks, const char *path,
                    unsigned line, unsigned key, unsigned value, const char *bytes)
{
	const struct fr_conf_mark *m = fr_conf_find(marks, path);

	assert_non_null(m);
	assert_int_equal(m->key.line, line);
	assert_int_equal(m->key.column, key);
	assert_int_equal(m->value.column, value);
	assert_int_equal(m->len, strlen(bytes));
	assert_memory_equal(text + m->at, bytes, m->len);
}

static void test_marks(void **state)
{
	static const char text[] = "{\"app\": \"\xc3\xa9\", \"n\": 1e400,\n"
				   " \"limits\": {\"uri\": -1.50 },\n"
				   "\"listen\": [ \"a\",[2 ]]}";
	struct fr_conf_marks marks = { 0 };
	struct fr_diag diag;

	(void)state;
	assert_int_equal(fr_conf_walk(text, strlen(text), "f", &marks, &diag), 0);
	assert_int_equal(marks.count, 8);
	mark_is(text, &marks, "app", 1, 2, 9, "\"\xc3\xa9\"");
	mark_is(text, &marks, "n", 1, 14, 19, "1e400");
	mark_is(text, &marks, "limits", 2, 2, 12, "{\"uri\": -1.50 }");
	mark_is(text, &marks, "limits.uri", 2, 13, 20, "-1.50");
	mark_is(text, &marks, "listen[0]", 3, 13, 13, "\"a\"");
	mark_is(text, &marks, "listen[1]", 3, 17, 17, "[2 ]");
	mark_is(text, &marks, "listen[1][0]", 3, 18, 18, "2");
	assert_null(fr_conf_find(&marks, "uri"));
	fr_conf_marks_fini(&marks);
	assert_int_equal(marks.count, 0);
}

/* On an error nothing is handed out. */
static void test_refuses(void **state)
{
	static const struct {
		const char *text, *where, *words;
	} cases[] = { { "{\"a\": 1, \"a\": 2}", "f:1:10", "a second time (first in line 1)" },
		      { "{\"a\": [1 2]}", "f:1:10", "expected ',' or ']'" },
		      { "{\"a\": \"x\ny\"}", "f:1:9", "at the end of a string" },
		      { "{\"a\": \"\\x\"}", "f:1:8", "an escape of JSON" },
		      { "{\"a\": \"\\u12g4\"}", "f:1:8", "four hexadecimal digits" },
		      { "{\"a\": nul}", "f:1:7", "expected a value" },
		      { "{} {}", "f:1:4", "expected the end of the file" },
		      { "{\"a\": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", "f:1:22", "16 levels" } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fr_conf_marks marks = { 0 };
		struct fr_diag diag;

		assert_int_equal(
			fr_conf_walk(cases[i].text, strlen(cases[i].text), "f", &marks, &diag),
			FR_EINVAL);
		assert_string_equal(diag.where, cases[i].where);
		if (!strstr(diag.message, cases[i].words))
			fail_msg("\"%s\" lacks \"%s\"", diag.message, cases[i].words);
		assert_null(marks.list);
	}
}

/* Of a long path the end is kept, and the position. */
static void test_long_file_name(void **state)
{
	char file[600];
	struct fr_diag diag;

	(void)state;
	memset(file, 'x', sizeof file - 1);
	strcpy(file + sizeof file - 8, "/f.conf");
	assert_int_equal(fr_conf_error(&diag, file, (struct fr_conf_pos){ 12, 34 }, "w%d", 1),
	                 FR_EINVAL);
	assert_memory_equal(diag.where, "...x", 4);
	assert_string_equal(strrchr(diag.where, '/'), "/f.conf:12:34");
	assert_string_equal(diag.message, "w1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blank),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_long_file_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
