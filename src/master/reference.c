#include "master/reference.h"

#include <string.h>

#include "master/config_keys.h"
#include "master/options.h"

void fr_reference_md(FILE *out)
{
	fprintf(out,
	        "# Configuration\n\n"
	        "Made by `fastrapid --reference md` from the table in src/master/config_keys.c.\n\n"
	        "`fastrapid -c fastrapi.conf` reads one file: a JSON object with `//` and `/* */` "
	        "comments.\n"
	        "A dot in a name below means an object: `limits.uri` is `{\"limits\": {\"uri\": "
	        "\"8K\"}}`.\n"
	        "Unknown keys, keys given twice and values out of bounds are errors, told with "
	        "line and "
	        "column, and nothing starts.\n"
	        "Relative paths are relative to the file's folder.\n"
	        "Sizes are bytes, or strings with K, M or G (1024, 1024\xc2\xb2, 1024\xc2\xb3); "
	        "times are "
	        "seconds, or strings with ms, s, m or h.\n"
	        "`-t` tests a configuration together with its application; `-T` prints it with all "
	        "defaults.\n\n"
	        "| key | default | value |\n| --- | --- | --- |\n");
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		char kind[512];

		fr_conf_describe(&fr_conf_keys[i], kind, sizeof kind);
		fprintf(out, "| `%s` | %s%s%s | %s |\n", fr_conf_keys[i].name,
		        fr_conf_keys[i].value ? "`" : "",
		        fr_conf_keys[i].value ? fr_conf_keys[i].value : "see below",
		        fr_conf_keys[i].value ? "`" : "", kind);
	}
	for (size_t i = 0; i < fr_conf_nkeys; i++)
		fprintf(out, "\n## `%s`\n\n%s\n", fr_conf_keys[i].name, fr_conf_keys[i].text);
}

/* Text for troff: backslashes and hyphens that must stay as they are, no control line by accident. */
static void man_text(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void man_section(FILE *out, const char *title, const char *text)
{
	fprintf(out, ".SH %s\n%s", title, text);
}

void fr_reference_man(FILE *out)
{
	fprintf(out, ".\\\" Made by fastrapid --reference man; do not edit.\n"
	             ".TH FASTRAPID 8 \"\" \"FastrAPI\" \"System administration\"\n");
	man_section(out, "NAME", "fastrapid \\- serve FastrAPI applications\n");
	man_section(
		out, "SYNOPSIS",
		".B fastrapid\n\\-c\n.I FILE\n[\\fIOPTION\\fR...]\n.br\n.B fastrapid\n\\-\\-app\n"
		".I MODULE:ATTRIBUTE\n[\\fIOPTION\\fR...]\n");
	man_section(out, "DESCRIPTION",
	            "fastrapid imports a Python application once, compiles its routes into shared "
	            "memory,\n"
	            "and serves them from worker processes, each with an interpreter of its own.\n"
	            "It stays in the foreground.\n");
	man_section(out, "OPTIONS", "");
	for (size_t i = 0; i < fr_option_count; i++) {
		const struct fr_option *o = &fr_option_table[i];

		fprintf(out, ".TP\n.B ");
		if (o->letter)
			fprintf(out, "\\-%c", o->letter);
		else
			fprintf(out, "\\-\\-");
		man_text(out, o->name ? o->name : "");
		if (o->arg)
			fprintf(out, " \\fI%s\\fR", o->arg);
		fputc('\n', out);
		man_text(out, o->text);
		fputc('\n', out);
	}
	man_section(
		out, "CONFIGURATION",
		"The file is a JSON object with // and /* */ comments.\n"
		"A dot in a name means an object within the object.\n"
		"Relative paths are relative to the file's folder.\n"
		"Sizes are bytes, or strings with K, M or G; times are seconds, or strings with\n"
		"ms, s, m or h.\n"
		"Any error in it is told with line and column, and nothing starts.\n");
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		char kind[512];

		fr_conf_describe(&fr_conf_keys[i], kind, sizeof kind);
		fprintf(out, ".TP\n.B %s\n", fr_conf_keys[i].name);
		man_text(out, fr_conf_keys[i].text);
		fprintf(out, "\nValue: ");
		man_text(out, kind);
		fprintf(out, ".\n");
		if (fr_conf_keys[i].value)
			fprintf(out, "Default: %s.\n", fr_conf_keys[i].value);
	}
	man_section(out, "SIGNALS",
	            ".TP\n.BR SIGTERM \", \" SIGINT\n"
	            "End gracefully: stop accepting, finish the requests in flight within "
	            "timeouts.drain,\n"
	            "run the application's shutdown. A second one ends at once.\n"
	            ".TP\n.B SIGQUIT\nEnd at once.\n"
	            ".TP\n.B SIGHUP\nLoad the configuration and the application anew, and open "
	            "the log anew.\n"
	            "When all new workers are ready, they take over, and the old ones finish what "
	            "they have.\n"
	            "If anything fails, the log tells it, and the old ones serve on.\n"
	            ".TP\n.B SIGUSR1\nOpen the log anew, after it was renamed: as logrotate's "
	            "postrotate does by\n"
	            "kill \\-USR1 \"$(cat /run/fastrapid/pid)\". Use delaycompress: a busy worker "
	            "writes to the\n"
	            "old file until its event loop comes to it.\n"
	            ".TP\n.B SIGUSR2\nIgnored.\n");
	man_section(out, "EXIT STATUS",
	            ".TP\n.B 0\nIt was told to end, or what was asked for is printed or right.\n"
	            ".TP\n.B 1\nThe configuration or the application is wrong, or the server could "
	            "not start.\n"
	            ".TP\n.B 2\nThe command line is wrong.\n");
	man_section(out, "EXAMPLE",
	            ".EX\n{\n    // relative to this file\n    \"app\": \"main:app\",\n"
	            "    \"listen\": [\"127.0.0.1:8000\", \"unix:app.sock\"],\n    \"workers\": "
	            "\"auto\",\n"
	            "    \"limits\": {\"body\": \"1M\"}\n}\n.EE\n");
}
