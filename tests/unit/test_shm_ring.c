/* shm/ring.c: order, wrapping, dropping, and a writer that left rubbish; two processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/ring.h"

#define SIZE 256

static _Alignas(64) unsigned char memory[sizeof(struct fr_ring_head) + SIZE];

static struct fr_ring fresh(void)
{
	struct fr_ring ring;

	memset(memory, 0, sizeof memory);
	fr_ring_init(&ring, memory, SIZE);
	return ring;
}

static int put(struct fr_ring *ring, const char *a, const char *b)
{
	struct fr_ring_part parts[] = { { a, strlen(a) }, { b, strlen(b) } };

	return fr_ring_write(ring, parts, 2);
}

static void messages_come_out_in_order_over_many_turns(void **state)
{
	struct fr_ring ring = fresh();
	char out[SIZE], want[64];

	(void)state;
	assert_int_equal(fr_ring_read(&ring, out, sizeof out), FR_EAGAIN);
	for (int i = 0; i < 1000; i++) {
		int len = snprintf(want, sizeof want, "%d%.*s", i, i % 40,
		                   "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");

		assert_int_equal(put(&ring, want, ""), 0);
		assert_int_equal(put(&ring, "second ", want), 0);
		assert_int_equal(fr_ring_read(&ring, out, sizeof out), len);
		assert_memory_equal(out, want, (size_t)len);
		assert_int_equal(fr_ring_read(&ring, out, sizeof out), len + 7);
		assert_memory_equal(out + 7, want, (size_t)len);
	}
	assert_int_equal(fr_ring_dropped(&ring), 0);
}

static void a_full_ring_drops_and_counts(void **state)
{
	struct fr_ring ring = fresh();
	char out[SIZE];
	int taken = 0;

	(void)state;
	while (put(&ring, "sixteen bytes of", " text and more") == 0)
		taken++;
	assert_int_equal(taken, SIZE / 40);
	assert_int_equal(put(&ring, "sixteen bytes of", " text and more"), FR_ELIMIT);
	assert_int_equal(fr_ring_dropped(&ring), 2);
	for (int i = 0; i < taken; i++)
		assert_int_equal(fr_ring_read(&ring, out, sizeof out), 30);
	assert_int_equal(fr_ring_read(&ring, out, sizeof out), FR_EAGAIN);
	assert_int_equal(put(&ring, "again", ""), 0);
}

static void the_longest_message_fits_and_a_longer_one_never(void **state)
{
	struct fr_ring ring = fresh();
	char text[SIZE], out[SIZE];
	struct fr_ring_part part = { text, SIZE - 8 };

	(void)state;
	memset(text, 'x', sizeof text);
	assert_int_equal(fr_ring_max(&ring), SIZE - 8);
	assert_int_equal(fr_ring_write(&ring, &part, 1), 0);
	assert_int_equal(fr_ring_read(&ring, out, 10), 10); /* cut */
	assert_int_equal(fr_ring_read(&ring, out, 10), FR_EAGAIN);
	part.len++;
	assert_int_equal(fr_ring_write(&ring, &part, 1), FR_ELIMIT);
}

static void rubbish_is_passed_over(void **state)
{
	static const uint64_t lengths[] = { UINT64_MAX, SIZE, SIZE - 7, 48, 1ULL << 63 };
	char out[SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct fr_ring ring = fresh();

		assert_int_equal(put(&ring, "hello", ""), 0);
		memcpy(ring.bytes, &lengths[i], 8);
		assert_int_equal(fr_ring_read(&ring, out, sizeof out), FR_ECORRUPT);
		assert_int_equal(fr_ring_read(&ring, out, sizeof out), FR_EAGAIN);
		assert_int_equal(put(&ring, "there", ""), 0);
		assert_int_equal(fr_ring_read(&ring, out, sizeof out), 5);
		assert_memory_equal(out, "there", 5);
	}
	for (uint64_t written = 1; written < 4 * SIZE; written += 7) {
		struct fr_ring ring = fresh();

		atomic_store(&ring.head->written, written);
		while (fr_ring_read(&ring, out, sizeof out) != FR_EAGAIN)
			;
	}
}

static void one_process_writes_another_reads(void **state)
{
	enum { COUNT = 200000 };
	struct fr_ring ring;
	size_t bytes = fr_ring_bytes(4096);
	void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t message[4], last = 0, seen = 0;
	int status;
	pid_t pid;

	(void)state;
	assert_ptr_not_equal(shared, MAP_FAILED);
	fr_ring_init(&ring, shared, 4096);
	pid = fork();
	if (pid == 0) {
		for (uint64_t i = 1; i <= COUNT; i++) {
			uint64_t data[4] = { i, i * 3, i * 5, i * 7 };
			struct fr_ring_part part = { data, 8 + 8 * (i % 4) };

			fr_ring_write(&ring, &part, 1);
		}
		_exit(0);
	}
	for (bool ended = false;;) {
		long n = fr_ring_read(&ring, message, sizeof message);

		if (n == FR_EAGAIN && ended)
			break;
		if (n == FR_EAGAIN) {
			ended = waitpid(pid, &status, WNOHANG) == pid;
			continue;
		}
		assert_true(n >= 8);
		assert_true(message[0] > last);
		last = message[0];
		assert_int_equal(n, 8 + 8 * (last % 4));
		for (uint64_t k = 1; k <= last % 4; k++)
			assert_int_equal(message[k], last * (1 + 2 * k));
		seen++;
	}
	assert_int_equal(status, 0);
	assert_int_equal(seen + fr_ring_dropped(&ring), COUNT);
	munmap(shared, bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_out_in_order_over_many_turns),
		cmocka_unit_test(a_full_ring_drops_and_counts),
		cmocka_unit_test(the_longest_message_fits_and_a_longer_one_never),
		cmocka_unit_test(rubbish_is_passed_over),
		cmocka_unit_test(one_process_writes_another_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
