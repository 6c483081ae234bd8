/*
 * The image verifier: what it passes can be used.
 *
 * The input damages a good image: three bytes of offset, one byte of value,
 * again and again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "shm/route.h"
#include "shm/verify.h"
#include "tests/fuzz/check.h"
#include "tests/unit/manifests.h"

static int side_says_no(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	(void)arg;
	(void)side;
	(void)path;
	(void)len;
	return FR_MATCH_NONE;
}

static void look_up(const struct fr_image *image)
{
	static const char *const paths[] = {
		"/",  "/users/5", "/users/me",   "/files/a/b/c",
		"//", "/a",       "/items/1.5/", "/nothing/here",
	};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct fr_span name = { "PURGE", 5 };
		struct fr_match match;
		size_t len = strlen(paths[i]), redirect;
		int add;

		if (fr_route_find(image, FR_GET, name, paths[i], len, side_says_no, NULL, &match))
			abort();
		if (fr_route_find(image, FR_OTHER, name, paths[i], len, NULL, NULL, &match))
			abort();
		fr_route_redirect(image, paths[i], len, NULL, NULL, &redirect, &add);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fr_image_buf good;
	struct fr_diag diag;
	unsigned char *copy;

	if (!good.image) {
		if (fr_image_build(manifest_full, strlen(manifest_full), 1, &good, &diag) ||
		    fr_image_verify(good.image, good.size, &diag))
			abort();
	}
	copy = malloc(good.size);
	if (!copy)
		abort();
	memcpy(copy, good.image, good.size);
	for (; size >= 4; data += 4, size -= 4)
		copy[(data[0] | data[1] << 8 | data[2] << 16) % good.size] = data[3];
	if (!fr_image_verify(copy, good.size, &diag))
		look_up((const struct fr_image *)copy);
	free(copy);
	return 0;
}
