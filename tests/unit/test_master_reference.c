/* The reference: whole, and text in Markdown and in troff, whatever the tables hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "master/config_keys.h"
#include "master/options.h"
#include "master/reference.h"

static char *text;

static void make(void (*print)(FILE *))
{
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print(out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), len);
	assert_true(fr_utf8_valid(text, len));
	assert_int_equal(text[len - 1], '\n');
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

/* How often words stand there. */
static unsigned count(const char *words)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, words)); p += strlen(words))
		n++;
	return n;
}

static void once(const char *words)
{
	if (count(words) != 1)
		fail_msg("\"%s\" stands there %u times", words, count(words));
}

/* Each line of text, ended by NUL in place, to fn. */
static void each_line(void (*fn)(char *line))
{
	char *save;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		fn(line);
}

static void test_every_key_is_in_the_table_and_has_a_section(void **state)
{
	(void)state;
	make(fr_reference_md);
	assert_int_equal(count("\n## `"), fr_conf_nkeys);
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		const struct fr_conf_key *key = &fr_conf_keys[i];
		char words[4096], kind[512];

		fr_conf_describe(key, kind, sizeof kind);
		/* It had room for all of it. */
		assert_true(strlen(kind) > 0 && strlen(kind) < sizeof kind - 1);
		if (key->value)
			snprintf(words, sizeof words, "\n| `%s` | `%s` | %s |\n", key->name,
			         key->value, kind);
		else
			snprintf(words, sizeof words, "\n| `%s` | see below | %s |\n", key->name,
			         kind);
		once(words);
		snprintf(words, sizeof words, "\n## `%s`\n\n%s\n", key->name, key->text);
		once(words);
		/* Where the table says "see below", something is to be seen. */
		if (!key->value && key->type != FR_CONF_APP)
			assert_non_null(strstr(key->text, "Default: "));
	}
}

static void check_row(char *line)
{
	unsigned bars = 0;

	if (line[0] != '|')
		return;
	for (const char *p = line; *p; p++)
		bars += *p == '|';
	if (bars != 4)
		fail_msg("no row of three cells: %s", line);
}

static void test_rows_have_three_cells(void **state)
{
	(void)state;
	make(fr_reference_md);
	each_line(check_row);
}

static const char *const requests[] = {
	"TH", "SH", "TP", "B", "I", "BR", "br", "EX", "EE", "\\\""
};

/* A control line is one of those that we write; anything else that begins like one is text gone wrong. */
static void check_control(char *line)
{
	if (line[0] == '\'')
		fail_msg("a control line by accident: %s", line);
	if (line[0] != '.')
		return;
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		size_t n = strlen(requests[i]);

		if (!strncmp(line + 1, requests[i], n) && !isalpha((unsigned char)line[1 + n]))
			return;
	}
	fail_msg("an unknown request: %s", line);
}

static void test_control_lines(void **state)
{
	(void)state;
	make(fr_reference_man);
	each_line(check_control);
}

/* After a backslash comes what stands for a character or a font, and no hyphen of an option is bare. */
static void check_escapes(char *line)
{
	if (!strncmp(line, ".\\\"", 3))
		return; /* a comment */
	for (const char *p = line; *p; p++) {
		if (*p == '\\' && !strchr("-e&f\"", p[1]))
			fail_msg("an unknown escape at \"%s\" in: %s", p, line);
		if (*p == '\\')
			p++;
		else if (*p == '-' && p[1] == '-')
			fail_msg("a hyphen that is none of its own at \"%s\" in: %s", p, line);
	}
}

static void test_escapes(void **state)
{
	(void)state;
	make(fr_reference_man);
	each_line(check_escapes);
}

/* As man_text() is to write it, without looking at how it does. */
static void escaped(const char *plain, char *ret, size_t size)
{
	size_t n = 0;

	for (; *plain && n + 4 < size; plain++) {
		if (*plain == '-' || *plain == '\\')
			ret[n++] = '\\';
		ret[n++] = *plain == '\\' ? 'e' : *plain;
	}
	ret[n] = 0;
	assert_int_equal(*plain, 0);
}

static void test_every_option_and_key_is_in_the_man_page(void **state)
{
	char words[4096], plain[2048];

	(void)state;
	make(fr_reference_man);
	for (size_t i = 0; i < fr_option_count; i++) {
		const struct fr_option *o = &fr_option_table[i];

		assert_true(o->letter || o->name);
		escaped(o->text, plain, sizeof plain);
		snprintf(words, sizeof words, "\n%s\n", plain);
		if (!count(words))
			fail_msg("the text of option %s is not there", o->name ? o->name : "");
		if (!o->name)
			continue;
		escaped(o->name, plain, sizeof plain);
		snprintf(words, sizeof words, ".TP\n.B \\-\\-%s", plain);
		if (!count(words))
			fail_msg("option --%s is not there", o->name);
	}
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		escaped(fr_conf_keys[i].text, plain, sizeof plain);
		snprintf(words, sizeof words, ".TP\n.B %s\n%s\nValue: ", fr_conf_keys[i].name,
		         plain);
		once(words);
	}
}

static void test_a_disk_that_is_full(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	fr_reference_md(full);
	fr_reference_man(full);
	assert_int_not_equal(fclose(full), 0); /* whoever prints can know it */
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_key_is_in_the_table_and_has_a_section),
		TEST(test_rows_have_three_cells),
		TEST(test_control_lines),
		TEST(test_escapes),
		TEST(test_every_option_and_key_is_in_the_man_page),
		TEST(test_a_disk_that_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
