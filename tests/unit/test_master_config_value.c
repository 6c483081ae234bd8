/* Values of keys: out of text and numbers, back into text, and in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "master/config_keys.h"

static struct fr_config config;

/* Sets key from text of the command line. */
static int set(const char *key, const char *text)
{
	char expected[512];

	return fr_conf_set(&config, fr_conf_key_find(key), fr_conf_value_of(text), "/tmp", expected,
	                   sizeof expected);
}

static void formats(const char *key, const char *want)
{
	char *text = NULL;

	assert_int_equal(fr_conf_format(&config, fr_conf_key_find(key), &text), 0);
	assert_string_equal(text, want);
	free(text);
}

static void test_value_of(void **state)
{
	(void)state;
	assert_string_equal(fr_conf_value_of("auto").text, "auto");
	assert_string_equal(fr_conf_value_of("4x").text, "4x");
	assert_string_equal(fr_conf_value_of("-4").text, "-4");
	assert_null(fr_conf_value_of("4").text);
	assert_true(fr_conf_value_of("2.5").number == 2.5);
}

static void test_units(void **state)
{
	static const struct {
		const char *key, *text, *printed;
	} cases[] = { { "limits.body", "65536", "\"64K\"" },
		      { "limits.body", "16M", "\"16M\"" },
		      { "limits.body", "1000", "1000" },
		      { "limits.body", "1.5K", "1536" },
		      { "limits.body", "2G", "\"2G\"" },
		      { "timeouts.idle", "500ms", "\"500ms\"" },
		      { "timeouts.idle", "0.25", "\"250ms\"" },
		      { "timeouts.idle", "90", "\"90s\"" },
		      { "timeouts.idle", "5m", "\"300s\"" },
		      { "timeouts.idle", "1h", "\"3600s\"" },
		      { "workers", "7", "7" },
		      { "log.level", "warning", "\"warning\"" },
		      { "serve_fastapi_imports", "true", "true" } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(set(cases[i].key, cases[i].text), 0);
		formats(cases[i].key, cases[i].printed);
	}
}

/* What is refused changes nothing. */
static void test_refuses(void **state)
{
	static const char *const cases[][2] = {
		{ "limits.body", "16X" },
		{ "limits.body", "K" },
		{ "limits.body", "0x10K" },
		{ "limits.body", "1m" },
		{ "limits.body", "65G" },
		{ "timeouts.idle", "1K" },
		{ "timeouts.idle", "-1" },
		{ "timeouts.idle", "1 s" },
		{ "workers", "257" },
		{ "workers", "1.5" },
		{ "workers", "four" },
		{ "log.level", "loud" },
		{ "serve_fastapi_imports", "1" },
	};

	(void)state;
	assert_int_equal(set("limits.body", "8M"), 0);
	assert_int_equal(set("timeouts.idle", "3s"), 0);
	assert_int_equal(set("workers", "3"), 0);
	assert_int_equal(set("log.level", "debug"), 0);
	assert_int_equal(set("serve_fastapi_imports", "true"), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (set(cases[i][0], cases[i][1]) != FR_EINVAL)
			fail_msg("%s takes \"%s\"", cases[i][0], cases[i][1]);
	formats("limits.body", "\"8M\"");
	formats("timeouts.idle", "\"3s\"");
	formats("workers", "3");
	formats("log.level", "\"debug\"");
	formats("serve_fastapi_imports", "true");
}

/* Paths are taken from base. */
static void test_paths(void **state)
{
	(void)state;
	assert_int_equal(set("listen", "unix:s"), 0);
	assert_string_equal(config.listen[0], "unix:/tmp/s");
	assert_int_equal(set("pid_file", "p"), 0);
	formats("pid_file", "\"/tmp/p\"");
	assert_int_equal(set("control", "/tmp/c"), 0);
	formats("control", "\"/tmp/c\"");
	assert_int_equal(set("control", "no/such/folder/c"), FR_EINVAL);
	assert_int_equal(set("app_dir", "."), 0);
	formats("app_dir", "\"/tmp\"");
	formats("user", ""); /* not set */
	free(config.listen[0]);
	free(config.pid_file);
	free(config.control);
	free(config.app_dir);
}

/* The words name bounds and choices of the table. */
static void test_describe(void **state)
{
	char words[512];

	(void)state;
	fr_conf_describe(fr_conf_key_find("limits.uri"), words, sizeof words);
	assert_string_equal(words, "a size such as 65536 or \"64K\", from 64 to 1M");
	fr_conf_describe(fr_conf_key_find("workers"), words, sizeof words);
	assert_string_equal(words, "a whole number from 1 to 256, or \"auto\"");
	fr_conf_describe(fr_conf_key_find("log.level"), words, sizeof words);
	assert_non_null(strstr(words, "\"warning\""));
	fr_conf_describe(fr_conf_key_find("timeouts.idle"), words, sizeof words);
	assert_non_null(strstr(words, "from 10ms to 86400s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_value_of), cmocka_unit_test(test_units),
		cmocka_unit_test(test_refuses),  cmocka_unit_test(test_paths),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
