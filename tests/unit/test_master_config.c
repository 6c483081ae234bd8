/* master/config*.c, conf_text.c, nearest.c: what is accepted, and each complaint with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/conf_text.h"
#include "master/config_keys.h"
#include "master/config_load.h"
#include "master/reference.h"

static char folder[] = "/tmp/fr-test-config-XXXXXX";
static char file[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof file, "%s/f.conf", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(folder);
}

static int read_bytes(const char *text, size_t len, struct fr_config *config, struct fr_diag *diag)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
	memset(diag, 0, sizeof *diag);
	fr_config_init(config);
	return fr_config_read(config, file, diag);
}

/* Reads text, which must fail at "LINE:COL" with these words in the message. */
static void fails(const char *text, const char *at, const char *words)
{
	struct fr_config config;
	struct fr_diag diag;
	char where[128];

	assert_true(read_bytes(text, strlen(text), &config, &diag) < 0);
	fr_config_fini(&config);
	snprintf(where, sizeof where, "%s:%s", file, at);
	assert_string_equal(diag.where, where);
	if (!strstr(diag.message, words))
		fail_msg("\"%s\" lacks \"%s\"", diag.message, words);
	assert_non_null(strstr(diag.message, "found "));
	assert_non_null(strstr(diag.message, "expected "));
}

static void test_reads(void **state)
{
	static const char text[] =
		"// first\n{\n  /* é\n*/ \"app\": \"main:app\", // {\n"
		"  \"listen\": [\"127.0.0.1:1\", \"[::1]:2\", \"unix:x\"],\n"
		"  \"workers\": 3, \"threads\": 7, \"sync_handlers\": \"inline\",\n"
		"  \"serve_fastapi_imports\": true,\n"
		"  \"limits\": {\"uri\": 100, \"body\": \"2M\", \"headers\": 5},\n"
		"  \"timeouts\": {\"idle\": 2.5, \"start\": \"1500ms\", \"drain\": \"5m\"},\n"
		"  \"log\": {\"level\": \"error\", \"file\": \"a//b\"}\n}\n";
	struct fr_config config;
	struct fr_diag diag;
	char expected[128];

	(void)state;
	snprintf(expected, sizeof expected, "%s/a", folder);
	assert_int_equal(mkdir(expected, 0700), 0);
	if (read_bytes(text, strlen(text), &config, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	rmdir(expected);
	assert_string_equal(config.file, file);
	assert_string_equal(config.app, "main:app");
	assert_string_equal(config.app_dir, folder);
	assert_int_equal(config.nlisten, 3);
	snprintf(expected, sizeof expected, "unix:%s/x", folder);
	assert_string_equal(config.listen[2], expected);
	assert_int_equal(config.workers, 3);
	assert_int_equal(config.threads, 7);
	assert_int_equal(config.sync_handlers, FR_SYNC_INLINE);
	assert_int_equal(config.serve_fastapi_imports, 1);
	assert_int_equal(config.limits.uri, 100);
	assert_int_equal(config.limits.body, 2 << 20);
	assert_int_equal(config.limits.headers, 5);
	assert_true(config.timeouts.idle == 2.5 && config.timeouts.start == 1.5);
	assert_true(config.timeouts.drain == 300);
	assert_int_equal(config.log.level, FR_LOG_ERROR);
	snprintf(expected, sizeof expected, "%s/a//b", folder);
	assert_string_equal(config.log.file, expected);
	fr_config_fini(&config);
}

static void test_defaults(void **state)
{
	struct fr_config config;
	struct fr_diag diag;

	(void)state;
	fr_config_init(&config);
	assert_int_equal(fr_config_finish(&config, &diag), 0);
	assert_int_equal(config.nlisten, 1);
	assert_string_equal(config.listen[0], "127.0.0.1:8000");
	assert_in_range(config.workers, 1, 256);
	assert_int_equal(config.limits.starting, config.workers > 1 ? config.workers / 2 : 1);
	assert_int_equal(config.limits.body, 16 << 20);
	assert_int_equal(config.serve_fastapi_imports, 0);
	assert_true(config.timeouts.header == 10);
	assert_non_null(config.app_dir);
	assert_null(config.app);
	fr_config_fini(&config);
}

static void test_syntax(void **state)
{
	(void)state;
	fails("", "1:1", "the end of the file");
	fails("[]", "1:1", "expected '{'");
	fails("{\"workers\": 1,\n}", "2:1", "no comma before '}'");
	fails("{\"listen\": [\"a:1\",]}", "1:19", "no comma before ']'");
	fails("{\"workers\" 1}", "1:12", "expected ':'");
	fails("{workers: 1}", "1:2", "expected a key in double quotes");
	fails("{\"workers\": 01}", "1:14", "leading zeros");
	fails("{\"workers\": +1}", "1:13", "expected a value");
	fails("{\"workers\": 1 \"threads\": 2}", "1:15", "expected ',' or '}'");
	fails("{\"workers\": 1} x", "1:16", "the end of the file");
	fails("{\"app\": \"a\nb\"}", "1:11", "at the end of a string");
	fails("{\"app\": \"\\x\"}", "1:10", "escape");
	fails("{\"app\": \"\\u0000\"}", "1:10", "0000");
	fails("{ /* }", "1:3", "comment without end");
	fails("{\n // only\n", "3:1", "the end of the file");
	fails("{\"workers\": tru}", "1:13", "found 'tru'");
	fails("{\"a\":[[[[[[[[[[[[[[[[[[[[", "1:21", "16 levels");
}

static void test_columns_count_characters(void **state)
{
	(void)state;
	fails("{ /* \xc3\xa9\xe2\x82\xac */ \"bad\": 1}", "1:12", "unknown key");
	fails("{\"app\": \"\xc3\xa9:\xe2\x82\xac\", \"bad\": 1}", "1:16", "unknown key");
	fails("\xef\xbb\xbf{\"bad\": 1}", "1:2", "unknown key");
	fails("{\r\n\t\"bad\": 1}", "2:2", "unknown key");
}

static void test_nul_in_file(void **state)
{
	static const char text[] = "{\"workers\": 1}\0{}";
	struct fr_config config;
	struct fr_diag diag;

	(void)state;
	assert_int_equal(read_bytes(text, sizeof text - 1, &config, &diag), FR_EINVAL);
	assert_non_null(strstr(diag.message, "0x00"));
	fr_config_fini(&config);
}

static void test_keys(void **state)
{
	(void)state;
	fails("{\"worker\": 1}", "1:2", "is it \"workers\"?");
	fails("{\"uri\": 1}", "1:2", "is it \"limits.uri\"?");
	fails("{\"limits\": {\"ury\": 1}}", "1:13", "is it \"limits.uri\"?");
	fails("{\"limit\": {\"uri\": 1}}", "1:2", "is it \"limits\"?");
	fails("{\"limits.uri\": 100}", "1:2", "an object: {\"limits\": {\"uri\": ...}}");
	fails("{\"status.listen\": \"a:1\"}", "1:2", "{\"status\": {\"listen\": ...}}");
	fails("{\"limits.ury\": 100}", "1:2", "{\"limits\": {\"uri\": ...}}");
	fails("{\"log\": {\"log.level\": 1}}", "1:10", "{\"log\": {\"level\": ...}}");
	fails("{\"completely_else\": 1}", "1:2", "--reference");
	fails("{\"workers\": 1,\n \"workers\": 2}", "2:2", "second time (first in line 1)");
	fails("{\"workers\": 1,\n \"work\\u0065rs\": 2}", "2:2", "second time");
	fails("{\"limits\": {\"uri\": 100, \"uri\": 100}}", "1:25", "second time");
	fails("{\"limits\": 3}", "1:12", "expected an object");
}

static void test_values(void **state)
{
	(void)state;
	fails("{\"workers\": 0}", "1:13", "from 1 to 256");
	fails("{\"workers\": 1.5}", "1:13", "whole number");
	fails("{\"workers\": \"4\"}", "1:13", "or \"auto\"");
	fails("{\"workers\": null}", "1:13", "found null");
	fails("{\"threads\": true}", "1:13", "found true");
	fails("{\"serve_fastapi_imports\": \"true\"}", "1:27", "expected true or false");
	fails("{\"serve_fastapi_imports\": 1}", "1:27", "expected true or false");
	fails("{\"limits\": {\"body\": \"16X\"}}", "1:21", "found \"16X\" for \"limits.body\"");
	fails("{\"limits\": {\"body\": \"16\"}}", "1:21", "size such as");
	fails("{\"limits\": {\"body\": -1}}", "1:21", "from 0 to 64G");
	fails("{\"limits\": {\"uri\": \"2M\"}}", "1:20", "from 64 to 1M");
	fails("{\"limits\": {\"uri\": 1e300}}", "1:20", "from 64 to 1M");
	fails("{\"timeouts\": {\"idle\": \"5M\"}}", "1:23", "time such as");
	fails("{\"timeouts\": {\"idle\": 0}}", "1:23", "from 10ms to 86400s");
	fails("{\"sync_handlers\": \"fast\"}", "1:19", "\"auto\", \"inline\", \"threads\"");
	fails("{\"log\": {\"level\": 3}}", "1:19", "\"debug\"");
	fails("{\"app\": \"main\"}", "1:9", "module:attribute");
	fails("{\"app\": \"main:\"}", "1:9", "module:attribute");
	fails("{\"app\": \"main.py:app()\"}", "1:9", "module:attribute");
	fails("{\"app\": [1]}", "1:9", "found a list");
	fails("{\"app_dir\": \"nowhere\"}", "1:13", "a folder that exists");
	fails("{\"python\": \"/etc/passwd\"}", "1:12", "a Python interpreter");
	fails("{\"log\": {\"file\": \"no/where/x\"}}", "1:18", "a file that can be written");
	fails("{\"pid_file\": \"/tmp\"}", "1:14", "a file that can be written");
	fails("{\"user\": \"nobody-of-that-name\"}", "1:10", "a user of this system");
	fails("{\"group\": \"nobody-of-that-name\"}", "1:11", "a group of this system");
	fails("{\"limits\": {\"uri\": 1e400}}", "1:20", "found 1e400 for");
	fails("{\"threads\": /* */ 10000000000000000000000}", "1:19",
	      "found 10000000000000000000000 for");
	fails("{\"threads\": 1.50}", "1:13", "found 1.50 for");
	fails("{\"listen\": []}", "1:12", "an empty list");
	fails("{\"listen\": \"a:1\"}", "1:12", "found \"a:1\" for \"listen\"");
	fails("{\"listen\": [\"a:1\", \"::1:2\"]}", "1:20", "\"[v6]:port\"");
	fails("{\"listen\": [\"a:65536\"]}", "1:13", "host:port");
	fails("{\"listen\": [\":80\"]}", "1:13", "host:port");
	fails("{\"listen\": [\"unix:\"]}", "1:13", "1 to 107 bytes");
}

/* Addresses that can't be listened on together, in one file. */
static void test_listen_once(void **state)
{
	(void)state;
	fails("{\"listen\": [\"127.0.0.1:80\",\n\"127.0.0.1:80\"]}", "2:1",
	      "found \"127.0.0.1:80\" for \"listen[1]\", which listens where \"127.0.0.1:80\" of "
	      "line 1");
	fails("{\"listen\": [\"127.0.0.1:80\", \"[::1]:80\", \"127.0.0.1:080\"]}", "1:41", "once");
	fails("{\"listen\": [\"unix:a\", \"unix:./a\"]}", "1:23", "each address once");
	fails("{\"status\": {\"listen\": \"localhost:80\"},\n\"listen\": [\"127.0.0.1:80\"]}",
	      "1:23",
	      "found \"localhost:80\" for \"status.listen\", which listens where \"127.0.0.1:80\"");
}

/* With the command line's addresses, and with the default. */
static void test_listen_once_in_all(void **state)
{
	static const char status[] = "{\"status\": {\"listen\": \"127.0.0.1:8000\"}}";
	struct fr_config config;
	struct fr_diag diag;

	(void)state;
	assert_int_equal(read_bytes(status, strlen(status), &config, &diag), 0);
	assert_int_equal(fr_config_finish(&config, &diag), FR_EINVAL);
	assert_string_equal(diag.where, file);
	assert_non_null(strstr(diag.message, "\"status.listen\", which listens where"));
	fr_config_fini(&config);
	assert_int_equal(read_bytes(status, strlen(status), &config, &diag), 0);
	assert_int_equal(fr_config_option(&config, "listen", "a:1", "--listen", &diag), 0);
	assert_int_equal(fr_config_option(&config, "listen", "a:0", "--listen", &diag), 0);
	assert_int_equal(fr_config_option(&config, "listen", "a:0", "--listen", &diag), 0);
	assert_int_equal(fr_config_option(&config, "listen", "A:1", "--listen", &diag), FR_EINVAL);
	assert_string_equal(diag.where, "--listen");
	assert_non_null(strstr(diag.message, "found \"A:1\", which listens where \"a:1\""));
	fr_config_fini(&config);
}

static void test_no_file(void **state)
{
	struct fr_config config;
	struct fr_diag diag = { 0 };

	(void)state;
	fr_config_init(&config);
	assert_int_equal(fr_config_read(&config, "/nonexistent/f.conf", &diag), FR_EIO);
	assert_string_equal(diag.where, "/nonexistent/f.conf");
	assert_non_null(strstr(diag.message, "No such file"));
	assert_int_equal(fr_config_read(&config, folder, &diag), FR_EINVAL);
	assert_non_null(strstr(diag.message, "found a folder"));
	fr_config_fini(&config);
}

/* What -T prints reads back as the same values. */
static void test_round_trip(void **state)
{
	static const char text[] =
		"{\"app\": \"m\\u00e9:a\", \"serve_fastapi_imports\": true, \"workers\": 2, "
		"\"listen\": [\"a:1\", \"b:2\"],"
		"\"limits\": {\"body\": 1234567, \"uri\": 2048},"
		"\"timeouts\": {\"idle\": 0.25, \"write\": 90}, \"log\": {\"level\": \"debug\"}}";
	struct fr_config config;
	struct fr_diag diag;
	char *first = NULL, *second = NULL;
	size_t len;
	FILE *out;

	(void)state;
	assert_int_equal(read_bytes(text, strlen(text), &config, &diag), 0);
	out = open_memstream(&first, &len);
	assert_int_equal(fr_config_print(&config, out), 0);
	fclose(out);
	fr_config_fini(&config);
	assert_non_null(strstr(first, "\"body\": 1234567"));
	assert_non_null(strstr(first, "\"serve_fastapi_imports\": true"));
	assert_non_null(strstr(first, "\"uri\": \"2K\""));
	assert_non_null(strstr(first, "\"idle\": \"250ms\""));
	assert_non_null(strstr(first, "\"starting\": \"auto\""));
	assert_non_null(strstr(first, "// not set: user\n"));
	if (read_bytes(first, len, &config, &diag) < 0)
		fail_msg("%s: %s in %s", diag.where, diag.message, first);
	out = open_memstream(&second, &len);
	assert_int_equal(fr_config_print(&config, out), 0);
	fclose(out);
	fr_config_fini(&config);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

/* The table: every default is within its own bounds, every key has a text, names are unique. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		const struct fr_conf_key *key = &fr_conf_keys[i];
		struct fr_config config = { 0 };
		char expected[512];

		assert_ptr_equal(fr_conf_key_find(key->name), key);
		assert_true(strlen(key->text) > 20);
		assert_true(key->offset + key->size <= sizeof config);
		if (key->value)
			assert_int_equal(fr_conf_set(&config, key, fr_conf_value_of(key->value),
			                             NULL, expected, sizeof expected),
			                 0);
		else if (strcmp(key->name, "app") != 0) /* the one key without a default */
			assert_non_null(strstr(key->text, "Default:"));
	}
}

static void test_command_line(void **state)
{
	struct fr_config config;
	struct fr_diag diag;

	(void)state;
	fr_config_init(&config);
	assert_int_equal(fr_config_option(&config, "workers", "4", "--workers", &diag), 0);
	assert_int_equal(config.workers, 4);
	assert_int_equal(fr_config_option(&config, "workers", "auto", "--workers", &diag), 0);
	assert_int_equal(config.workers, 0);
	assert_int_equal(fr_config_option(&config, "workers", "4x", "--workers", &diag), FR_EINVAL);
	assert_string_equal(diag.where, "--workers");
	assert_non_null(strstr(diag.message, "found \"4x\", expected a whole number"));
	assert_int_equal(fr_config_option(&config, "listen", "h:1", "--listen", &diag), 0);
	assert_int_equal(fr_config_option(&config, "listen", "h:2", "--listen", &diag), 0);
	assert_int_equal(config.nlisten, 2);
	for (int i = 2; i < FR_MAX_LISTEN; i++)
		assert_int_equal(fr_config_option(&config, "listen", "h:0", "--listen", &diag), 0);
	assert_int_equal(fr_config_option(&config, "listen", "h:0", "--listen", &diag), FR_EINVAL);
	fr_config_clear_listen(&config);
	assert_int_equal(config.nlisten, 0);
	fr_config_fini(&config);
}

/* The path of a file of the source tree: automake says where it is. */
static const char *source(const char *name)
{
	static char path[512];
	const char *top = getenv("srcdir");

	snprintf(path, sizeof path, "%s/%s", top ? top : ".", name);
	return path;
}

static void is_current(const char *name, void (*make)(FILE *out))
{
	char *made = NULL, *kept = calloc(1, 100000);
	size_t len;
	FILE *out = open_memstream(&made, &len), *in = fopen(source(name), "r");

	make(out);
	fclose(out);
	assert_non_null(in);
	assert_non_null(kept);
	assert_in_range(fread(kept, 1, 99999, in), 1, 99998);
	fclose(in);
	if (strcmp(made, kept))
		fail_msg("%s is not what fastrapid --reference prints now", name);
	free(made);
	free(kept);
}

static void test_reference_is_current(void **state)
{
	(void)state;
	is_current("docs/configuration.md", fr_reference_md);
	is_current("docs/fastrapid.8", fr_reference_man);
}

static void test_example_reads(void **state)
{
	struct fr_config config;
	struct fr_diag diag;

	(void)state;
	fr_config_init(&config);
	if (fr_config_read(&config, source("contrib/fastrapi.conf.example"), &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	assert_string_equal(config.app, "main:app");
	fr_config_fini(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_columns_count_characters),
		cmocka_unit_test(test_nul_in_file),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_listen_once),
		cmocka_unit_test(test_listen_once_in_all),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_reference_is_current),
		cmocka_unit_test(test_example_reads),
	};

	return cmocka_run_group_tests_name("master_config", tests, setup, teardown);
}
