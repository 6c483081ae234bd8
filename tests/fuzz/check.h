/*
 * For the fuzz targets: the entry that libFuzzer and replay.c call, and what
 * must hold for every input.
 */
#ifndef FR_TESTS_FUZZ_CHECK_H
#define FR_TESTS_FUZZ_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
