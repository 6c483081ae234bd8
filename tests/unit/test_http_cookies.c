/* The Cookie field against what Starlette's cookie parser gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/cookies.h"

static void walk(const char *text, char *out)
{
	struct fr_cookies walk;
	struct fr_cookie c;

	*out = 0;
	fr_cookies_init(&walk, (struct fr_bytes){ text, strlen(text) });
	while (fr_cookies_next(&walk, &c))
		out += sprintf(out, "%.*s|%.*s%s\n", (int)c.name.len, c.name.p, (int)c.value.len,
		               c.value.p, c.quoted ? "|q" : "");
}

static void test_cookies(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "a=1; b=2", "a|1\nb|2\n" },
		{ "a=1;b=2;", "a|1\nb|2\n" },
		{ "a=1;a=2", "a|1\na|2\n" },
		{ "a", "|a\n" },
		{ " ; ;=", "" },
		{ "=v", "|v\n" },
		{ "a=", "a|\n" },
		{ "a=b=c", "a|b=c\n" },
		{ " a \t=\x1f b ", "a|b\n" },
		{ "\xa0"
		  "a=\x85"
		  "b\xa0",
		  "a|b\n" },
		{ "a=\"b c\"", "a|\"b c\"|q\n" },
		{ "a=\"", "a|\"\n" },
		{ "a=\"\"", "a|\"\"|q\n" },
		{ "a=\"b", "a|\"b\n" },
	};
	char out[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		walk(cases[i][0], out);
		assert_string_equal(out, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cookies) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
