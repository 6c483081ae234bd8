/*
 * The keyed hash of route tables, and what a path segment looks like to the
 * convertors.
 *
 * Called by builder.c, verify.c and route.c, which must agree.  Pure; any
 * thread.  The tables are filled from the application's own routes, so a
 * peer can't crowd a bucket; the key only keeps it from aiming at one.
 */
#ifndef FR_SHM_HASH_H
#define FR_SHM_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shm/layout.h"

/* Odd constants from the digits of the golden ratio, sqrt 2 and sqrt 3. */
#define FR_HASH_K0 0x9e3779b97f4a7c15ULL
#define FR_HASH_K1 0x6a09e667f3bcc909ULL
#define FR_HASH_K2 0xbb67ae8584caa73bULL

/* Both halves of the product, folded. */
static inline uint64_t fr_hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t fr_hash_word(const char *p, size_t n)
{
	uint64_t v = 0;
	uint32_t lo, hi;

	if (n >= 8) {
		memcpy(&v, p, 8);
	} else if (n >= 4) {
		memcpy(&lo, p, 4);
		memcpy(&hi, p + n - 4, 4);
		v = (uint64_t)hi << 32 | lo;
	} else if (n) {
		v = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[n / 2] << 8 |
		    (unsigned char)p[n - 1];
	}
	return v;
}

static inline uint64_t fr_hash(uint64_t seed, const char *p, size_t len)
{
	uint64_t h = seed ^ FR_HASH_K0 ^ (uint64_t)len * FR_HASH_K2;

	for (; len > 16; p += 16, len -= 16)
		h = fr_hash_fold(fr_hash_word(p, 8) ^ FR_HASH_K1, fr_hash_word(p + 8, 8) ^ h);
	if (len > 8)
		h = fr_hash_fold(fr_hash_word(p, 8) ^ FR_HASH_K1, fr_hash_word(p + len - 8, 8) ^ h);
	else
		h = fr_hash_fold(fr_hash_word(p, len) ^ FR_HASH_K1, h);
	return fr_hash_fold(h ^ FR_HASH_K0, FR_HASH_K2);
}

static inline uint64_t fr_hash_static(const struct fr_image *img, const char *path, size_t len)
{
	return fr_hash(img->seed, path, len);
}

static inline uint64_t fr_hash_edge(const struct fr_image *img, uint32_t from, const char *segment,
                                    size_t len)
{
	return fr_hash(img->seed + (uint64_t)from * FR_HASH_K0, segment, len);
}

/* The part that a bucket keeps; the rest of the hash chooses the bucket. */
static inline uint32_t fr_hash_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static inline bool fr_hash_is_uuid(const char *p, size_t len)
{
	static const uint8_t groups[] = { 8, 4, 4, 4, 12 };
	size_t at = 0;

	for (size_t g = 0; g < sizeof groups; g++) {
		if (g && at < len && p[at] == '-')
			at++;
		for (uint8_t i = 0; i < groups[g]; i++, at++) {
			char c = at < len ? p[at] : '\0';
			char lower = (char)(c | 0x20);

			if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'f'))
				return false;
		}
	}
	return at == len;
}

/* The class of a segment that is not empty. */
static inline enum fr_class fr_hash_class(const char *p, size_t len)
{
	size_t i = 0, digits;

	while (i < len && p[i] >= '0' && p[i] <= '9')
		i++;
	if (i == len)
		return len == 32 ? FR_CLASS_INT_UUID : FR_CLASS_INT;
	if (i && p[i] == '.') {
		digits = ++i;
		while (i < len && p[i] >= '0' && p[i] <= '9')
			i++;
		return i == len && i > digits ? FR_CLASS_FLOAT : FR_CLASS_STR;
	}
	if (len >= 32 && len <= 36 && fr_hash_is_uuid(p, len))
		return FR_CLASS_UUID;
	return FR_CLASS_STR;
}

/* Whether a convertor (not path) takes segments of a class. */
static inline bool fr_hash_takes(enum fr_conv conv, enum fr_class class)
{
	switch (conv) {
	case FR_CONV_STR:
		return true;
	case FR_CONV_INT:
		return class == FR_CLASS_INT || class == FR_CLASS_INT_UUID;
	case FR_CONV_FLOAT:
		return class == FR_CLASS_FLOAT || class == FR_CLASS_INT ||
		       class == FR_CLASS_INT_UUID;
	case FR_CONV_UUID:
		return class == FR_CLASS_UUID || class == FR_CLASS_INT_UUID;
	default:
		return false;
	}
}

#endif
