/* Distances of names, and which of them make a suggestion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "master/nearest.h"

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(fr_nearest_distance("workers", "workers"), 0);
	assert_int_equal(fr_nearest_distance("", "abc"), 3);
	assert_int_equal(fr_nearest_distance("abc", ""), 3);
	assert_int_equal(fr_nearest_distance("worker", "workers"), 1);
	assert_int_equal(fr_nearest_distance("workerz", "workers"), 1);
	assert_int_equal(fr_nearest_distance("wrokers", "workers"), 1); /* neighbours swapped */
	assert_int_equal(fr_nearest_distance("kitten", "sitting"), 3);
}

/* Either way round, never more than the longer one, and no shorter over a third name. */
static void test_is_a_distance(void **state)
{
	static const char *const names[] = {
		"", "a", "ab", "ba", "uri", "url", "listen", "silent"
	};
	const size_t n = sizeof names / sizeof *names;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			size_t d = fr_nearest_distance(names[i], names[k]);
			size_t x = strlen(names[i]), y = strlen(names[k]);

			assert_int_equal(d, fr_nearest_distance(names[k], names[i]));
			assert_int_equal(d == 0, i == k);
			assert_in_range(d, x > y ? x - y : y - x, x > y ? x : y);
		}
	}
}

/* Too long to be measured: as far apart as can be. */
static void test_long_names(void **state)
{
	char name[200];

	(void)state;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	assert_int_equal(fr_nearest_distance(name, name), sizeof name - 1);
	assert_int_equal(fr_nearest_distance("a", name), sizeof name - 1);
	name[64] = 0;
	assert_int_equal(fr_nearest_distance(name, name), 0);
}

static void test_plausible(void **state)
{
	(void)state;
	assert_true(fr_nearest_plausible(1, 3));
	assert_false(fr_nearest_plausible(2, 3));
	assert_true(fr_nearest_plausible(2, 7));
	assert_false(fr_nearest_plausible(3, 7));
	assert_true(fr_nearest_plausible(3, 8));
	assert_false(fr_nearest_plausible(4, 30));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_is_a_distance),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_plausible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
