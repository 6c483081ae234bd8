/* The command line: what each word does, and what is said of those that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/config_load.h"
#include "master/options.h"

#define MAX_WORDS 8

static int read_words(const char *const *words, struct fr_options *ret, struct fr_diag *diag)
{
	char *argv[MAX_WORDS + 2] = { (char *)(uintptr_t) "fastrapid" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	*diag = (struct fr_diag){ 0 };
	return fr_options_read(argc, argv, ret, diag);
}

#define READ(ret, diag, ...) read_words((const char *const[]){ __VA_ARGS__, NULL }, ret, diag)

static void test_values(void **state)
{
	struct fr_options o;
	struct fr_diag diag;

	(void)state;
	assert_int_equal(READ(&o, &diag, "-c", "a.conf", "--app", "m:a", "--workers=3"), 0);
	assert_int_equal(o.mode, FR_DO_SERVE);
	assert_string_equal(o.file, "a.conf");
	assert_string_equal(o.app, "m:a");
	assert_string_equal(o.workers, "3");
	assert_null(o.python);
	assert_int_equal(READ(&o, &diag, "-ca.conf", "-t", "--serve-fastapi-imports"), 0);
	assert_string_equal(o.file, "a.conf");
	assert_int_equal(o.mode, FR_DO_TEST);
	assert_string_equal(o.serve_fastapi_imports, "true");
	assert_int_equal(READ(&o, &diag, "--listen", "a:1", "--listen=b:2"), 0);
	assert_int_equal(o.nlisten, 2);
	assert_string_equal(o.listen[1], "b:2");
	assert_int_equal(READ(&o, &diag, "--explain", "GET /a b"), 0);
	assert_int_equal(o.mode, FR_DO_EXPLAIN);
	assert_string_equal(o.explain, "GET /a b");
}

static void test_modes(void **state)
{
	static const struct {
		const char *word, *value;
		enum fr_mode_of_run mode;
	} cases[] = { { "-T", NULL, FR_DO_PRINT },
		      { "-s", "reload", FR_DO_COMMAND },
		      { "--dump", "manifest", FR_DO_DUMP_MANIFEST },
		      { "--dump", "image", FR_DO_DUMP_IMAGE },
		      { "--reference", "md", FR_DO_REFERENCE_MD },
		      { "--reference", "man", FR_DO_REFERENCE_MAN },
		      { "--version", NULL, FR_DO_VERSION },
		      { "--help", NULL, FR_DO_HELP } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fr_options o;
		struct fr_diag diag;

		assert_int_equal(READ(&o, &diag, cases[i].word, cases[i].value), 0);
		assert_int_equal(o.mode, cases[i].mode);
	}
}

static void wrong(const char *words, const char *a, const char *b)
{
	struct fr_options o = { .app = "untouched" };
	struct fr_diag diag;

	assert_int_equal(READ(&o, &diag, a, b), FR_EINVAL);
	assert_string_equal(o.app, "untouched");
	if (!strstr(diag.message, words))
		fail_msg("\"%s\" lacks \"%s\"", diag.message, words);
}

static void test_wrong(void **state)
{
	(void)state;
	wrong("is it --app?", "--aap", "x");
	wrong("unknown option --completely", "--completely", NULL);
	wrong("unknown argument main:app", "main:app", NULL);
	wrong("expected FILE after it", "-c", NULL);
	wrong("expected MODULE:ATTRIBUTE after it", "--app=", NULL);
	wrong("takes no value", "--version=1", NULL);
	wrong("only one of", "-t", "-T");
	wrong("expected reload, stop or status", "-s", "restart");
	wrong("expected manifest or image", "--dump", "all");
	wrong("expected md or man", "--reference", "html");
	wrong("expected a method and a path", "--explain", "/a");
}

static void test_apply(void **state)
{
	struct fr_config config;
	struct fr_options o;
	struct fr_diag diag;

	(void)state;
	fr_config_init(&config);
	assert_int_equal(fr_config_option(&config, "listen", "file:1", "f", &diag), 0);
	assert_int_equal(READ(&o, &diag, "--listen", "a:1", "--workers", "5", "--app", "m:a"), 0);
	assert_int_equal(fr_options_apply(&o, &config, &diag), 0);
	assert_int_equal(config.nlisten, 1); /* the command line's replace the file's */
	assert_string_equal(config.listen[0], "a:1");
	assert_int_equal(config.workers, 5);
	assert_string_equal(config.app, "m:a");
	assert_int_equal(READ(&o, &diag, "--workers", "many"), 0);
	assert_int_equal(fr_options_apply(&o, &config, &diag), FR_EINVAL);
	assert_string_equal(diag.where, "--workers");
	fr_config_fini(&config);
	fr_config_init(&config);
	assert_int_equal(READ(&o, &diag, "--workers", "1"), 0);
	assert_int_equal(fr_options_configure(&o, &config, &diag), FR_EINVAL);
	assert_non_null(strstr(diag.message, "found no \"app\""));
	fr_config_fini(&config);
}

/* Takes out the breaks of lines, and what they are indented by; none may be longer than a screen. */
static void unbreak(char *text)
{
	static const char indent[] = "\n                           ";
	char *to = text;

	for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		assert_in_range(strcspn(line, "\n"), 0, 79);
	for (const char *from = text; *from; to++) {
		bool broken = !strncmp(from, indent, sizeof indent - 1);

		*to = broken ? ' ' : *from;
		from += broken ? sizeof indent - 1 : 1;
	}
	*to = 0;
}

/* Each option of the table is explained. */
static void test_help(void **state)
{
	char *text = NULL, name[64];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	fr_options_help(out);
	fclose(out);
	unbreak(text);
	for (size_t i = 0; i < fr_option_count; i++) {
		const struct fr_option *o = &fr_option_table[i];

		if (o->name)
			snprintf(name, sizeof name, "  --%s ", o->name);
		else
			snprintf(name, sizeof name, "  -%c ", o->letter);
		assert_non_null(strstr(text, name));
		assert_non_null(strstr(text, o->text));
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values), cmocka_unit_test(test_modes),
		cmocka_unit_test(test_wrong),  cmocka_unit_test(test_apply),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
