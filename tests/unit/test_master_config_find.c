/* What is made out of a configuration with errors in it: paths, and never a wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/config_load.h"

static char folder[32], file[64];
static struct fr_config config;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/fr_find_XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof file, "%s/conf", folder);
	fr_config_init(&config);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fr_config_fini(&config);
	unlink(file);
	return rmdir(folder);
}

static void find_in(const char *text, size_t len)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	fr_config_fini(&config);
	fr_config_init(&config);
	fr_config_find(&config, file);
}

/* at is that name in the file's folder; "/...": just that; NULL: nothing was found. */
static void is(const char *at, const char *want, const char *text)
{
	char path[128];

	if (!want || !at) {
		if (want || at)
			fail_msg("found %s, expected %s, in %s", at ? at : "nothing",
			         want ? want : "nothing", text);
		return;
	}
	snprintf(path, sizeof path, "%s%s%s", *want == '/' ? "" : folder, *want == '/' ? "" : "/",
	         want);
	if (strcmp(at, path) != 0)
		fail_msg("found %s, expected %s, in %s", at, path, text);
}

static void test_what_is_found(void **state)
{
	static const struct {
		const char *text, *control, *pid_file;
	} list[] = {
		{ "{\"control\": \"c\", \"pid_file\": \"/run/p\", \"worker\": 3}", "c", "/run/p" },
		{ "{\"pid_file\": \"p\"", NULL, "p" }, /* no end */
		{ "\"control\":\"c\"", "c", NULL }, /* no beginning */
		{ "{,, \"control\" \t\r\n:\n\t\"c\" \"pid_file\" : \"p\" ]]", "c", "p" },
		{ "// \"control\": \"no\"\n{\"control\": \"c\"} /* \"pid_file\": \"no\" */", "c",
		  NULL },
		{ "{\"control\": \"c\", /* \"pid_file\": \"no\"", "c", NULL },
		{ "{\"control\": \"a \\\"b\\u0041\\\\\"}", "a \"bA\\", NULL },
		{ "{\"control\": \"\xc3\xa4\"}", "\xc3\xa4", NULL },
		/* The value of another key, a key that only ends alike. */
		{ "{\"app\": \"control\", \"pid_file\": \"p\"}", NULL, "p" },
		{ "{\"my_control\": \"no\", \"controls\": \"no\"}", NULL, NULL },
		/* No strings, or none that can be a path. */
		{ "{\"control\": null, \"pid_file\": 3}", NULL, NULL },
		{ "{\"control\": \"\", \"pid_file\": [\"p\"]}", NULL, NULL },
		{ "{\"control\": true, \"control\": \"c\"}", "c", NULL },
		{ "{\"control\": \"first\", \"control\": \"second\"}", "first", NULL },
		{ "{\"control\": \"a\nb\"}", NULL, NULL },
		{ "{\"control\": \"\\x\", \"pid_file\": \"\\ud800\"}", NULL, NULL },
		{ "{\"control\": \"no end", NULL, NULL },
		{ "{\"control\": \"no end\\", NULL, NULL },
		{ "{\"control\": \"no end\\\"", NULL, NULL },
		{ "{\"control\": \"", NULL, NULL },
		{ "{\"control\":", NULL, NULL },
		{ "{\"control\"", NULL, NULL },
		{ "\"control", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		find_in(list[i].text, strlen(list[i].text));
		is(config.control, list[i].control, list[i].text);
		is(config.pid_file, list[i].pid_file, list[i].text);
	}
}

/* A good configuration cut anywhere gives what it gave, or nothing. */
static void test_cut_anywhere(void **state)
{
	static const char text[] = "{\"app\": \"main:app\", // \"control\": \"no\"\n"
				   "\"control\": \"c\\u00e4\", /* x */ \"pid_file\": \"/p q\"}";

	(void)state;
	for (size_t len = 0; len < sizeof text; len++) {
		find_in(text, len);
		is(config.control, config.control ? "c\xc3\xa4" : NULL, text);
		is(config.pid_file, config.pid_file ? "/p q" : NULL, text);
	}
	assert_non_null(config.control);
	assert_non_null(config.pid_file);
}

static void test_bytes_that_are_no_text(void **state)
{
	static const char text[] = "\xff\xfe{\"control\": \"c\", \0 \"pid_file\": \"p\"}";

	(void)state;
	find_in(text, sizeof text - 1);
	is(config.control, "c", text);
	is(config.pid_file, NULL, text); /* nobody has written that */
}

/* What was set on the command line, or read before, stays. */
static void test_what_is_known_stays(void **state)
{
	(void)state;
	find_in("{\"control\": \"c\"}", 16);
	free(config.control);
	config.control = strdup("/known");
	fr_config_find(&config, file);
	assert_string_equal(config.control, "/known");
}

static void test_files_that_can_not_be_read(void **state)
{
	char missing[64];

	(void)state;
	snprintf(missing, sizeof missing, "%s/none", folder);
	fr_config_find(&config, missing);
	fr_config_find(&config, folder);
	assert_null(config.control);
	assert_null(config.pid_file);
}

/* A relative name of the file itself: its folder is the present one. */
static void test_a_file_without_a_folder(void **state)
{
	char before[4096];

	(void)state;
	find_in("{\"pid_file\": \"p\"}", 17);
	assert_non_null(getcwd(before, sizeof before));
	assert_int_equal(chdir(folder), 0);
	free(config.pid_file);
	config.pid_file = NULL;
	fr_config_find(&config, "conf");
	assert_int_equal(chdir(before), 0);
	is(config.pid_file, "p", "conf");
}

/* More than any configuration has is not read; what comes before it is. */
static void test_a_large_file(void **state)
{
	const size_t len = 3u << 20;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	memcpy(text, "{\"control\": \"c\"", 15);
	memcpy(text + len - 18, ",\"pid_file\": \"p\"}", 17);
	find_in(text, len);
	is(config.control, "c", "a large file");
	is(config.pid_file, NULL, "a large file");
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_found),
		TEST(test_cut_anywhere),
		TEST(test_bytes_that_are_no_text),
		TEST(test_what_is_known_stays),
		TEST(test_files_that_can_not_be_read),
		TEST(test_a_file_without_a_folder),
		TEST(test_a_large_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
