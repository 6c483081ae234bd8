/* What is UTF-8, and how long its characters are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

/* In memory of just that size, so that a look beyond the end is seen. */
static bool valid(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	bool ret;

	assert_non_null(copy);
	memcpy(copy, text, len);
	ret = fr_utf8_valid(copy, len);
	free(copy);
	return ret;
}

#define VALID(s) assert_true(valid(s, sizeof(s) - 1))
#define INVALID(s) assert_false(valid(s, sizeof(s) - 1))

static void test_valid(void **state)
{
	(void)state;
	VALID("");
	VALID("a");
	VALID("a\0b");
	VALID("plain text that is longer than a word");
	VALID("\xc2\x80\xdf\xbf");
	VALID("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
	VALID("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	VALID("eightbyt\xe2\x82\xac and more");
	VALID("seven b\xe2\x82\xac");
}

static void test_invalid(void **state)
{
	(void)state;
	INVALID("\x80");
	INVALID("\xc0\xaf");
	INVALID("\xc1\xbf");
	INVALID("\xc2");
	INVALID("\xc2\x41");
	INVALID("\xe0\x9f\xbf");
	INVALID("\xed\xa0\x80");
	INVALID("\xe2\x82");
	INVALID("\xe2\x82\x41");
	INVALID("\xf0\x8f\xbf\xbf");
	INVALID("\xf4\x90\x80\x80");
	INVALID("\xf5\x80\x80\x80");
	INVALID("\xf0\x9f\x98");
	INVALID("\xff");
	INVALID("seven b\xe2\x82");
	INVALID("eightbyt\xff");
}

/* Encodes what no encoder would. */
static size_t encode(uint32_t code, size_t n, char ret[4])
{
	static const uint8_t marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; code >>= 6)
		ret[i] = (char)(0x80 | (code & 0x3f));
	ret[0] = (char)(marks[n] | code);
	return n;
}

/* Every character, in each length that could hold it: only the shortest counts. */
static void test_all_characters(void **state)
{
	static const uint32_t ends[] = { 0, 0x80, 0x800, 0x10000, 0x200000 };
	char text[4];

	(void)state;
	for (size_t n = 1; n <= 4; n++) {
		for (uint32_t code = 0; code < ends[n]; code++) {
			bool want = code >= ends[n - 1] && code <= 0x10ffff &&
			            (code < 0xd800 || code > 0xdfff);

			encode(code, n, text);
			if (fr_utf8_len(text, n) != (want ? n : 0))
				fail_msg("U+%X in %zu bytes", (unsigned)code, n);
		}
	}
}

static void test_the_end_comes_too_soon(void **state)
{
	char text[4];

	(void)state;
	for (size_t n = 2; n <= 4; n++) {
		encode(n == 2 ? 0xe4 : n == 3 ? 0x20ac : 0x1f600, n, text);
		for (size_t left = 1; left < n; left++)
			assert_int_equal(fr_utf8_len(text, left), 0);
		assert_int_equal(fr_utf8_len(text, n), n);
		assert_int_equal(fr_utf8_len(text, n + 9), n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_all_characters),
		cmocka_unit_test(test_the_end_comes_too_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
