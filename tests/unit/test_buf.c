#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static void appends_and_terminates(void **state)
{
	struct fr_buf buf;

	(void)state;
	fr_buf_init(&buf, 100);
	assert_int_equal(fr_buf_puts(&buf, "one "), 0);
	assert_int_equal(fr_buf_printf(&buf, "%d %s", 2, "three"), 0);
	assert_int_equal(fr_buf_add(&buf, "\0x", 2), 0);
	assert_int_equal(buf.len, 13);
	assert_memory_equal(buf.p, "one 2 three\0x", 14);
	fr_buf_fini(&buf);
	assert_null(buf.p);
}

static void the_maximum_holds_and_a_refusal_changes_nothing(void **state)
{
	struct fr_buf buf;
	char *room;

	(void)state;
	fr_buf_init(&buf, 10);
	assert_int_equal(fr_buf_puts(&buf, "0123456789"), 0);
	assert_int_equal(buf.cap, 10);
	assert_int_equal(fr_buf_add(&buf, "x", 1), FR_ELIMIT);
	assert_int_equal(fr_buf_printf(&buf, "%d", 1), FR_ELIMIT);
	assert_int_equal(fr_buf_reserve(&buf, SIZE_MAX, &room), FR_ELIMIT);
	assert_int_equal(fr_buf_add(&buf, "", 0), 0);
	assert_string_equal(buf.p, "0123456789");
	fr_buf_clear(&buf);
	assert_int_equal(fr_buf_printf(&buf, "%s", "again"), 0);
	assert_string_equal(buf.p, "again");
	fr_buf_fini(&buf);
}

static void grows_through_many_small_appends(void **state)
{
	struct fr_buf buf;

	(void)state;
	fr_buf_init(&buf, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(fr_buf_add(&buf, &"0123456789"[i % 10], 1), 0);
	assert_int_equal(buf.len, 100000);
	for (size_t i = 0; i < buf.len; i++)
		assert_int_equal(buf.p[i], '0' + (int)(i % 10));
	assert_int_equal(fr_buf_add(&buf, "x", 1), FR_ELIMIT);
	fr_buf_fini(&buf);
}

static void taken_bytes_are_the_callers(void **state)
{
	struct fr_buf buf;
	size_t len;
	char *p;

	(void)state;
	fr_buf_init(&buf, 100);
	assert_null(fr_buf_take(&buf, NULL));
	assert_int_equal(fr_buf_puts(&buf, "mine"), 0);
	p = fr_buf_take(&buf, &len);
	assert_string_equal(p, "mine");
	assert_int_equal(len, 4);
	assert_int_equal(fr_buf_puts(&buf, "new"), 0);
	assert_string_equal(p, "mine");
	free(p);
	fr_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_and_terminates),
		cmocka_unit_test(the_maximum_holds_and_a_refusal_changes_nothing),
		cmocka_unit_test(grows_through_many_small_appends),
		cmocka_unit_test(taken_bytes_are_the_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
