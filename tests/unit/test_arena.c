#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"

static void allocations_are_aligned_and_apart(void **state)
{
	struct fr_arena arena;
	char *p[500];

	(void)state;
	fr_arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < 500; i++) {
		p[i] = fr_arena_alloc(&arena, i);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		memset(p[i], (int)(i & 0xff), i);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal((unsigned char)p[i][k], i & 0xff);
	fr_arena_fini(&arena);
}

static void the_maximum_holds(void **state)
{
	struct fr_arena arena;

	(void)state;
	fr_arena_init(&arena, 10000);
	assert_null(fr_arena_alloc(&arena, SIZE_MAX));
	assert_null(fr_arena_alloc(&arena, 10001));
	assert_non_null(fr_arena_alloc(&arena, 9000));
	assert_null(fr_arena_alloc(&arena, 2000));
	assert_non_null(fr_arena_alloc(&arena, 100));
	fr_arena_reset(&arena);
	assert_non_null(fr_arena_alloc(&arena, 9000));
	fr_arena_fini(&arena);
}

static void copies_are_terminated(void **state)
{
	struct fr_arena arena;
	char text[] = "text and more";
	char *copy;

	(void)state;
	fr_arena_init(&arena, 1000);
	copy = fr_arena_copy(&arena, text, 4);
	memset(text, 'x', sizeof text);
	assert_string_equal(copy, "text");
	assert_string_equal(fr_arena_copy(&arena, NULL, 0), "");
	assert_null(fr_arena_copy(&arena, text, SIZE_MAX));
	fr_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_aligned_and_apart),
		cmocka_unit_test(the_maximum_holds),
		cmocka_unit_test(copies_are_terminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
