/* The image builder: what ends up where, the sealed copy, and the limit of the automaton. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/builder.h"
#include "shm/verify.h"
#include "tests/unit/manifests.h"

static struct fr_image_buf build(const char *text, uint64_t seed)
{
	struct fr_image_buf buf = { 0 };
	struct fr_diag diag = { 0 };

	if (fr_image_build(text, strlen(text), seed, &buf, &diag) < 0 ||
	    fr_image_verify(buf.image, buf.size, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	return buf;
}

#define assert_str(img, s, text) assert_string_equal(fr_str_in(img, s), text)

static void test_full(void **state)
{
	struct fr_image_buf buf = build(manifest_full, 99);
	const struct fr_image *img = buf.image;
	const struct fr_route *routes = FR_IMAGE_AT(img, img->routes.off);
	const struct fr_step *steps = FR_IMAGE_AT(img, routes[0].steps.off);
	const struct fr_step *all = FR_IMAGE_AT(img, img->steps.off);
	const struct fr_side *sides = FR_IMAGE_AT(img, img->sides.off);
	const struct fr_side *sockets = FR_IMAGE_AT(img, img->sockets.off);
	const struct fr_str *names = FR_IMAGE_AT(img, img->object_names.off);
	const struct fr_path_param *param = FR_IMAGE_AT(img, routes[0].params.off);
	const struct fr_arg *args = FR_IMAGE_AT(img, steps[10].args.off);

	(void)state;
	assert_int_equal(img->size, buf.size);
	assert_int_equal(img->seed, 99);
	assert_int_equal(img->nobjects, 14);
	assert_int_equal(img->nplaces, 2);
	assert_int_equal(img->app_flags, FR_APP_REDIRECT_SLASHES);
	assert_str(img, img->app_name, "main:app");
	assert_str(img, img->root_path, "/api");
	assert_str(img, names[12], "regex");
	assert_int_equal(img->routes.count, 6);
	assert_int_equal(img->steps.count, 18);
	assert_ptr_equal(steps, all);
	assert_int_equal(routes[2].steps.off, routes[0].steps.off + 12 * sizeof *steps);
	assert_str(img, routes[0].path, "/items/{item_id}");
	assert_int_equal(routes[0].methods, FR_POST | FR_OTHER);
	assert_int_equal(routes[0].method_names.count, 2);
	assert_int_equal(routes[0].status, 201);
	assert_int_equal(routes[0].max_body, 65536);
	assert_int_equal(routes[0].nslots, 9);
	assert_int_equal(routes[1].max_body, FR_NONE32);
	assert_str(img, routes[1].file, "");
	assert_int_equal(param->segment, 1);
	assert_int_equal(param->conv, FR_CONV_INT);
	assert_int_equal(steps[0].op, FR_OP_MARK);
	assert_int_equal(steps[0].slot, FR_NONE16);
	assert_int_equal(steps[1].jump, 3);
	assert_int_equal(steps[6].in, FR_IN_BODY);
	assert_int_equal(steps[6].flags, FR_STEP_EMBED | FR_STEP_DIRECT_JSON);
	assert_str(img, steps[4].alias, "q");
	assert_int_equal(steps[10].args.count, 4);
	assert_str(img, args[3].name, "item");
	assert_int_equal(args[3].slot, 4);
	assert_int_equal(img->sides.count, 2);
	assert_int_equal(sides[0].kind, FR_SIDE_ROUTE);
	assert_int_equal(sides[0].route, 1);
	assert_int_equal(sides[1].object, 12);
	assert_str(img, sides[1].prefix, "/files/");
	assert_int_equal(img->sockets.count, 1);
	assert_int_equal(sockets[0].route, 5);
	assert_str(img, sockets[0].prefix, "/chat/");
	assert_int_equal(routes[5].methods, FR_WEBSOCKET);
	fr_image_buf_fini(&buf);
	assert_null(buf.image);
}

static void test_same_bytes(void **state)
{
	struct fr_image_buf a = build(manifest_full, 1), b = build(manifest_full, 1);
	struct fr_image_buf c = build(manifest_full, 2);

	(void)state;
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.image, b.image, a.size);
	assert_int_equal(a.size, c.size);
	assert_memory_not_equal(a.image, c.image, a.size);
	fr_image_buf_fini(&a);
	fr_image_buf_fini(&b);
	fr_image_buf_fini(&c);
}

/* BLAKE2b-256 of "abc", from b2sum -l 256. */
static void test_fingerprint(void **state)
{
	static const uint8_t want[32] = { 0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72,
		                          0x31, 0x71, 0xef, 0x3f, 0xee, 0x98, 0x57, 0x9b,
		                          0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb, 0x3e, 0x42,
		                          0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19 };
	struct fr_image_buf buf = build(manifest_full, 1);
	uint8_t got[32];

	(void)state;
	fr_image_fingerprint("abc", 3, got);
	assert_memory_equal(got, want, 32);
	fr_image_fingerprint(manifest_full, strlen(manifest_full), got);
	assert_memory_equal(buf.image->fingerprint, got, 32);
	fr_image_buf_fini(&buf);
}

static void test_static_only(void **state)
{
	const struct manifest_route routes[] = { { "/a", { "GET" } }, { "/", { "GET" } } };
	char *text = manifest_of(routes, 2, false);
	struct fr_image_buf buf = build(text, 1);

	(void)state;
	assert_int_equal(buf.image->states.count, 0);
	assert_int_equal(buf.image->edges.count, 0);
	assert_int_equal(buf.image->statics.count, 4);
	assert_int_equal(buf.image->app_flags, 0);
	fr_image_buf_fini(&buf);
	free(text);
	text = manifest_of(routes, 0, false);
	buf = build(text, 1);
	assert_int_equal(buf.image->routes.count, 0);
	fr_image_buf_fini(&buf);
	free(text);
}

/* Same path, several routes: what an earlier one shadows is left out. */
static void test_shadowed_are_left_out(void **state)
{
	const struct manifest_route routes[] = {
		{ "/a", { "GET" } },    { "/{x}", { "GET", "POST" } }, { "/a", { "GET" } },
		{ "/a", { "POST" } },   { "/a", { "PURGE" } },         { "/{p:path}", { NULL } },
		{ "/a", { "DELETE" } },
	};
	static const uint32_t want[] = { 0, 1, 4, 5 };
	char *text = manifest_of(routes, sizeof routes / sizeof *routes, true);
	struct fr_image_buf buf = build(text, 1);
	const struct fr_bucket *b = FR_IMAGE_AT(buf.image, buf.image->statics.off);
	const struct fr_static *s;
	const struct fr_accept *a;

	(void)state;
	while (!b->at)
		b++;
	s = FR_IMAGE_AT(buf.image, b->at);
	a = FR_IMAGE_AT(buf.image, s->accepts.off);
	assert_int_equal(s->accepts.count, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(a[i].route, want[i]);
	assert_int_equal(a[1].segments, 1);
	assert_int_equal(a[3].methods, FR_ANY | FR_ACCEPT_TAIL);
	fr_image_buf_fini(&buf);
	free(text);
}

static void test_seal_and_map(void **state)
{
	struct fr_image_buf buf = build(manifest_full, 1);
	const struct fr_image *img = NULL;
	struct fr_diag diag = { 0 };
	int fd = -1, plain;

	(void)state;
	assert_int_equal(fr_image_seal(&buf, &fd, &diag), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fr_image_map(fd, buf.size, &img, &diag), 0);
	assert_memory_equal(img, buf.image, buf.size);
	assert_int_equal(fr_image_verify(img, buf.size, &diag), 0);
	assert_int_equal(mprotect((void *)img, 1, PROT_READ), 0);
	fr_image_unmap(img, buf.size);
	img = NULL;
	assert_int_equal(fr_image_map(fd, buf.size + 8, &img, &diag), FR_EINVAL);
	assert_int_equal(fr_image_map(fd, 8, &img, &diag), FR_EINVAL);
	assert_int_equal(fr_image_map(-1, buf.size, &img, &diag), FR_EIO);
	plain = memfd_create("plain", MFD_CLOEXEC);
	assert_int_equal(ftruncate(plain, (off_t)buf.size), 0);
	assert_int_equal(fr_image_map(plain, buf.size, &img, &diag), FR_EINVAL);
	assert_string_equal(diag.where, "image");
	assert_null(img);
	close(plain);
	close(fd);
	fr_image_buf_fini(&buf);
}

/* Each of n routes has a literal in one place of n: 2^n combinations are states of their own. */
static void test_too_many_states(void **state)
{
	struct manifest_route routes[23];
	static char paths[23][23 * 6 + 16];
	struct fr_image_buf buf = { 0 };
	struct fr_diag diag = { 0 };
	char *text;

	(void)state;
	for (int i = 0; i < 23; i++) {
		char *at = paths[i];

		for (int k = 0; k < 23; k++)
			at += i == k ? sprintf(at, "/x") : sprintf(at, "/{p%d}", k);
		routes[i] = (struct manifest_route){ paths[i], { "GET" } };
	}
	text = manifest_of(routes, 23, true);
	assert_int_equal(fr_image_build(text, strlen(text), 1, &buf, &diag), FR_ELIMIT);
	assert_string_equal(diag.where, "routes");
	assert_null(buf.image);
	free(text);
	text = manifest_of(routes, 10, true);
	buf = build(text, 1);
	fr_image_buf_fini(&buf);
	free(text);
}

static void test_error_is_passed_on(void **state)
{
	struct fr_image_buf buf = { 0 };
	struct fr_diag diag = { 0 };

	(void)state;
	assert_int_equal(fr_image_build("{}", 2, 1, &buf, &diag), FR_EINVAL);
	assert_string_equal(diag.where, "version");
	assert_int_equal(fr_image_build("{}", 2, 1, &buf, NULL), FR_EINVAL);
	assert_null(buf.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_static_only),
		cmocka_unit_test(test_shadowed_are_left_out),
		cmocka_unit_test(test_seal_and_map),
		cmocka_unit_test(test_too_many_states),
		cmocka_unit_test(test_error_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
