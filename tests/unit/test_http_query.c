/* Query strings against what urllib.parse.parse_qsl(keep_blank_values=True) gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/query.h"

static struct fr_bytes bytes(const char *text)
{
	return (struct fr_bytes){ text, strlen(text) };
}

/* The pairs as name<TAB>value<LF>, decoded. */
static void walk(const char *text, char *out)
{
	struct fr_query q;
	struct fr_query_pair pair;

	fr_query_init(&q, bytes(text));
	while (fr_query_next(&q, &pair)) {
		out += fr_query_decode(pair.name, out);
		*out++ = '\t';
		out += fr_query_decode(pair.value, out);
		*out++ = '\n';
	}
	*out = 0;
}

static void test_pairs(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "a=1&b=2", "a\t1\nb\t2\n" },
		{ "a=1&a=2", "a\t1\na\t2\n" },
		{ "&&a=1&", "a\t1\n" },
		{ "a", "a\t\n" },
		{ "a=", "a\t\n" },
		{ "=b", "\tb\n" },
		{ "=", "\t\n" },
		{ "a=b=c", "a\tb=c\n" },
		{ "a;b=c;d", "a;b\tc;d\n" },
		{ "a+b=c+d", "a b\tc d\n" },
		{ "a%2Bb=%26%3d", "a+b\t&=\n" },
		{ "a=%", "a\t%\n" },
		{ "a=%4", "a\t%4\n" },
		{ "a=%zz%41", "a\t%zzA\n" },
		{ "a=%%41", "a\t%A\n" },
		{ "%61%62=%c3%a9", "ab\t\xc3\xa9\n" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		walk(cases[i][0], out);
		assert_string_equal(out, cases[i][1]);
	}
}

static void test_ascii(void **state)
{
	char text[40];

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		memset(text, 'a', sizeof(text));
		assert_true(fr_query_is_ascii((struct fr_bytes){ text, len }));
		for (size_t at = 0; at < len; at++) {
			text[at] = (char)0x80;
			assert_false(fr_query_is_ascii((struct fr_bytes){ text, len }));
			text[at] = 'a';
		}
	}
}

static void test_equals(void **state)
{
	(void)state;
	assert_true(fr_query_equals(bytes("a"), bytes("a")));
	assert_true(fr_query_equals(bytes("%61+b"), bytes("a b")));
	assert_true(fr_query_equals(bytes(""), bytes("")));
	assert_false(fr_query_equals(bytes("a"), bytes("ab")));
	assert_false(fr_query_equals(bytes("ab"), bytes("a")));
	assert_false(fr_query_equals(bytes("%62"), bytes("a")));
	assert_true(fr_query_is_encoded(bytes("a+b")));
	assert_true(fr_query_is_encoded(bytes("a%")));
	assert_false(fr_query_is_encoded(bytes("ab")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_equals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
