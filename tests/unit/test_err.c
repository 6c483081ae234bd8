#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"

static void set_fills_and_returns_the_code(void **state)
{
	struct fr_diag diag;

	(void)state;
	assert_int_equal(fr_diag_set(&diag, FR_EINVAL, "a.conf:3:1", "found %d", 7), FR_EINVAL);
	assert_int_equal(diag.code, FR_EINVAL);
	assert_string_equal(diag.where, "a.conf:3:1");
	assert_string_equal(diag.message, "found 7");
}

static void nobody_to_tell_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(fr_diag_set(NULL, FR_ELIMIT, NULL, "x"), FR_ELIMIT);
	assert_int_equal(fr_diag_errno(NULL, ENOENT, NULL, "x"), FR_EIO);
	assert_int_equal(fr_diag_errno(NULL, ENOMEM, NULL, "x"), FR_ENOMEM);
}

static void errno_is_told_in_words(void **state)
{
	struct fr_diag diag;

	(void)state;
	assert_int_equal(fr_diag_errno(&diag, ENOENT, NULL, "opening %s", "x"), FR_EIO);
	assert_string_equal(diag.where, "");
	assert_string_equal(diag.message, "opening x: No such file or directory");
}

static void long_texts_are_cut_not_overrun(void **state)
{
	static char text[5000];
	struct fr_diag diag;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	fr_diag_errno(&diag, EIO, text, "%s", text);
	assert_int_equal(strlen(diag.where), sizeof diag.where - 1);
	assert_int_equal(strlen(diag.message), sizeof diag.message - 1);
}

static void every_code_has_a_name(void **state)
{
	(void)state;
	for (int code = FR_ECHILD; code <= FR_OK; code++)
		assert_string_not_equal(fr_err_name(code), "unknown error");
	assert_string_equal(fr_err_name(-1000), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_and_returns_the_code),
		cmocka_unit_test(nobody_to_tell_is_allowed),
		cmocka_unit_test(errno_is_told_in_words),
		cmocka_unit_test(long_texts_are_cut_not_overrun),
		cmocka_unit_test(every_code_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
