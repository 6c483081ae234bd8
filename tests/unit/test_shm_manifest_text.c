/* UTF-8 and NUL characters in a manifest's text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "shm/manifest_text.h"

#define CHECK(literal) fr_manifest_check_text(literal, sizeof(literal) - 1, NULL)

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(CHECK(""), 0);

	assert_int_equal(CHECK("\"\\\\u0000\""), 0); /* a backslash, then text */
	assert_int_equal(CHECK("\"\\u0001\""), 0);
	assert_int_equal(CHECK("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf \xf0\x90\x80\x80 "
	                       "\xf4\x8f\xbf\xbf"),
	                 0);
}

static void test_nul(void **state)
{
	struct fr_diag diag = { 0 };

	(void)state;
	assert_int_equal(CHECK("a\0b"), FR_EINVAL);
	assert_int_equal(CHECK("\"\\u0000\""), FR_EINVAL);
	assert_int_equal(CHECK("\"\\\\\\u0000\""), FR_EINVAL);
	assert_int_equal(fr_manifest_check_text("ab\0", 3, &diag), FR_EINVAL);
	assert_string_equal(diag.where, "manifest");
}

static void test_not_utf8(void **state)
{
	(void)state;
	assert_int_equal(CHECK("\x80"), FR_EINVAL); /* a tail alone */
	assert_int_equal(CHECK("\xc3"), FR_EINVAL); /* no tail */
	assert_int_equal(CHECK("\xc3("), FR_EINVAL);
	assert_int_equal(CHECK("\xc0\xaf"), FR_EINVAL); /* longer than need be */
	assert_int_equal(CHECK("\xe0\x9f\xbf"), FR_EINVAL);
	assert_int_equal(CHECK("\xf0\x8f\xbf\xbf"), FR_EINVAL);
	assert_int_equal(CHECK("\xed\xa0\x80"), FR_EINVAL); /* a surrogate */
	assert_int_equal(CHECK("\xf4\x90\x80\x80"), FR_EINVAL); /* beyond the last character */
	assert_int_equal(CHECK("\xff"), FR_EINVAL);
	assert_int_equal(CHECK("\xf0\x90\x80"), FR_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
