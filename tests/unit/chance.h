/* Chance that is the same in every run: xorshift. */
#ifndef FR_TESTS_CHANCE_H
#define FR_TESTS_CHANCE_H

#include <stdint.h>

static uint64_t random_state = 0x9e3779b97f4a7c15ULL;

static inline uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % n;
}

#endif
