#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/uri.h"

static struct fr_bytes bytes(const char *text)
{
	return (struct fr_bytes){ text, strlen(text) };
}

static void assert_span(struct fr_bytes b, const char *want)
{
	assert_int_equal(b.len, strlen(want));
	assert_memory_equal(b.p, want, b.len);
}

static void test_split(void **state)
{
	struct fr_target t;

	(void)state;
	assert_int_equal(fr_uri_split(bytes("/a?b?c"), false, &t), 0);
	assert_null(t.authority.p);
	assert_span(t.path, "/a");
	assert_span(t.query, "b?c");
	assert_int_equal(fr_uri_split(bytes("/a?"), false, &t), 0);
	assert_span(t.path, "/a");
	assert_span(t.query, "");
	assert_int_equal(fr_uri_split(bytes("//a/b"), false, &t), 0);
	assert_null(t.authority.p);
	assert_span(t.path, "//a/b");
	assert_int_equal(fr_uri_split(bytes("https://h:1/a?b"), false, &t), 0);
	assert_span(t.authority, "h:1");
	assert_span(t.path, "/a");
	assert_span(t.query, "b");
	assert_int_equal(fr_uri_split(bytes("http://h"), false, &t), 0);
	assert_span(t.path, "/");
	assert_span(t.query, "");
	assert_int_equal(fr_uri_split(bytes("*"), true, &t), 0);
	assert_span(t.path, "*");
}

static void test_split_refuses(void **state)
{
	static const char *const bad[] = { "",          "*",       "a",         "a/b",
		                           "/a#b",      "http://", "http:///a", "http://u@h/",
		                           "ftp://h/a", "**" };
	struct fr_target t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(fr_uri_split(bytes(bad[i]), false, &t), FR_EINVAL);
	assert_int_equal(fr_uri_split(bytes("**"), true, &t), FR_EINVAL);
}

static void test_decode(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "abc", "abc" },
		{ "%41", "A" },
		{ "a%2fb%2F", "a/b/" },
		{ "%", "%" },
		{ "%4", "%4" },
		{ "%4g%g4", "%4g%g4" },
		{ "%%41", "%A" },
		{ "%c3%A9", "\xc3\xa9" },
		{ "a+b", "a+b" },
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t n = fr_uri_decode(bytes(cases[i][0]), out);

		assert_int_equal(n, strlen(cases[i][1]));
		assert_memory_equal(out, cases[i][1], n);
		/* in place, too */
		strcpy(out, cases[i][0]);
		n = fr_uri_decode((struct fr_bytes){ out, strlen(out) }, out);
		assert_int_equal(n, strlen(cases[i][1]));
		assert_memory_equal(out, cases[i][1], n);
	}
}

static void test_host(void **state)
{
	static const char *const good[] = { "",          "a",       "a.b-c_d~",   "a:80",
		                            "a:",        "[::1]",   "[::1]:8000", "%41b",
		                            "127.0.0.1", "[v1.a:b]" };
	static const char *const bad[] = { ":80",   "a:b", "a:70000", "a@b",  "a/b",  "a?b",
		                           "a b",   "[",   "[]",      "[::1", "[a]",  "[::1]a",
		                           "[::g]", "a]",  "%4",      "%zz",  "a\\b", "\xc3\xa9",
		                           "a\"",   "<a>", "[v.a]",   "[v1.]" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!fr_uri_host_valid(bytes(good[i])))
			fail_msg("'%s' was refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (fr_uri_host_valid(bytes(bad[i])))
			fail_msg("'%s' was accepted", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_split_refuses),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
