/* What is said of an application that is another in the worker than in the loader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "tests/unit/manifests.h"
#include "workers/mismatch.h"

static struct fr_image_buf loader; /* what the master compiled */
static struct fr_diag diag;

static int setup(void **state)
{
	(void)state;
	return fr_image_build(manifest_full, strlen(manifest_full), 7, &loader, &diag);
}

static int teardown(void **state)
{
	(void)state;
	fr_image_buf_fini(&loader);
	return 0;
}

/* The manifest with the first `was` after `after` replaced; free() it. */
static char *edited(const char *after, const char *was, const char *is)
{
	const char *from = strstr(manifest_full, after), *at = from ? strstr(from, was) : NULL;
	char *text;

	if (!at)
		fail_msg("no %s after %s", was, after);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - manifest_full), manifest_full, is,
	                     at + strlen(was)) >= 0);
	return text;
}

static int find(const char *manifest)
{
	return fr_mismatch_find(loader.image, manifest, strlen(manifest), &diag);
}

static void says(const char *words)
{
	assert_int_equal(diag.code, FR_ECORRUPT);
	assert_string_equal(diag.where, "application");
	if (!strstr(diag.message, words))
		fail_msg("\"%s\" is not in \"%s\"", words, diag.message);
}

static void test_the_same(void **state)
{
	(void)state;
	assert_int_equal(find(manifest_full), 0);
}

static void test_another(void **state)
{
	static const struct {
		const char *after, *was, *is, *words;
	} list[] = {
		{ "routes", "/items/{item_id}", "/other/{item_id}",
		  ": route 0, /items/{item_id}: path is \"/other/{item_id}\", was "
		  "\"/items/{item_id}\"; " },
		{ "/docs/{rest:path}", "main.docs", "main.other",
		  ": route 4, /docs/{rest:path}: endpoint is \"main.other\", was \"main.docs\"; " },
		{ "routes", "\"status\": 201", "\"status\": 202",
		  ": route 0, /items/{item_id}: status is 202, was 201; " },
		{ "routes", "[\"POST\", \"PURGE\"]", "[\"PURGE\"]",
		  ": route 0, /items/{item_id}: methods is " },
		{ "\"name\": \"home\"", "\"name\": \"home\"", "\"name\": \"house\"",
		  ": route 3, /: name is \"house\", was \"home\"; " },
		{ "routes", "it is mounted", "it is a mount",
		  ": route 1, /static: reason to run through ASGI is \"it is a mount\", was "
		  "\"it is mounted\"; " },
		{ "steps", "\"name\": \"q\"", "\"name\": \"p\"",
		  ": route 0, /items/{item_id}: step 4's name is \"p\", was \"q\"; " },
		{ "steps", "\"alias\": \"item\"", "\"alias\": \"thing\"",
		  ": route 0, /items/{item_id}: step 6's alias is \"thing\", was \"item\"; " },
		{ "steps", "\"fast\": \"int\"", "\"fast\": \"str\"", "step 3's fast is " },
		{ "steps", "\"mode\": \"gen\"", "\"mode\": \"agen\"", "step 2's mode is " },
		{ "steps", "\"what\": \"request\"", "\"what\": \"response\"", "step 9's " },
		{ "app", "main.Gzip", "main.Zip",
		  ": the application: middleware layer 1 is \"main.Zip\", was \"main.Gzip\"; " },
		{ "app", "[\"main.Timed\", \"main.Gzip\"]", "[\"main.Timed\"]",
		  ": the application: number of middleware layers is 1, was 2; " },
		{ "app", "404: main.lost", "404: main.found",
		  ": the application: exception handler 0 is \"404: main.found\", was " },
		{ "app", "\"main.on_error\"", "null",
		  ": the application: last exception handler is \"\", was \"main.on_error\"; " },
		{ "objects", "default q", "default 1",
		  ": the application: object 2 is \"default 1\", was \"default q\"; " },
		/* What has no words of its own is still told. */
		{ "app", "\"debug\": false", "\"debug\": true",
		  ": the manifest: its fingerprint is one, was another; " },
		{ "app", "\"debug\": false", "\"debug\":  false",
		  ": the manifest: its fingerprint " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		char *text = edited(list[i].after, list[i].was, list[i].is);

		if (find(text) != FR_ECORRUPT)
			fail_msg("%s: %s: %s", list[i].words, diag.where, diag.message);
		says(list[i].words);
		free(text);
	}
}

static void test_the_number_of_routes(void **state)
{
	const struct manifest_route few[] = { { "/a", { "GET" } } };
	const struct manifest_route more[] = { { "/a", { "GET" } }, { "/b", { "GET" } } };
	char *one = manifest_of(few, 1, true), *two = manifest_of(more, 2, true);
	struct fr_image_buf buf = { 0 };

	(void)state;
	assert_int_equal(fr_image_build(one, strlen(one), 7, &buf, &diag), 0);
	assert_int_equal(fr_mismatch_find(buf.image, two, strlen(two), &diag), FR_ECORRUPT);
	says(": the application: number of routes is 2, was 1; ");
	fr_image_buf_fini(&buf);
	assert_int_equal(fr_image_build(two, strlen(two), 7, &buf, &diag), 0);
	assert_int_equal(fr_mismatch_find(buf.image, one, strlen(one), &diag), FR_ECORRUPT);
	says(": the application: number of routes is 1, was 2; ");
	fr_image_buf_fini(&buf);
	free(one);
	free(two);
}

/* Names as long as an application likes: cut, and the message stays one. */
static void test_long_texts(void **state)
{
	char name[3000], *text;

	(void)state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	text = edited("routes", "main.create", name);
	assert_int_equal(find(text), FR_ECORRUPT);
	says(": endpoint is \"nnn");
	says("nnn\", was \"main.create\"; ");
	assert_true(strlen(diag.message) < 600);
	free(text);
}

/* A manifest that is none is an error of another kind, told by who reads it. */
static void test_malformed(void **state)
{
	const size_t len = strlen(manifest_full);

	(void)state;
	for (size_t n = 0; n < len - 2; n += len / 40) {
		char *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, manifest_full, n);
		assert_int_equal(fr_mismatch_find(loader.image, cut, n, &diag), FR_EINVAL);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same),
		cmocka_unit_test(test_another),
		cmocka_unit_test(test_the_number_of_routes),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
