#include "master/options.h"

#include <stdarg.h>
#include <string.h>

#include "master/config_load.h"
#include "master/nearest.h"

/* clang-format off */
const struct fr_option fr_option_table[] = {
	{ 'c', NULL, "FILE", "Serve as the configuration file says, in the foreground." },
	{ 't', NULL, NULL, "Test the configuration and the application, which is imported and compiled; then exit." },
	{ 'T', NULL, NULL, "Print the effective configuration and exit." },
	{ 's', NULL, "COMMAND", "Tell the running server of this configuration: reload (waits for the outcome), stop (waits for its end), or status (prints what it does)." },
	{ 0, "app", "MODULE:ATTRIBUTE", "The application. Overrides the file; without a file, all else has its default." },
	{ 0, "app-dir", "DIR", "The folder that the application is imported from." },
	{ 0, "listen", "ADDRESS", "host:port, [v6]:port or unix:PATH. May be given several times; replaces the file's list." },
	{ 0, "workers", "N", "The number of worker processes, or auto." },
	{ 0, "python", "PATH", "The interpreter or the virtual environment of the application." },
	{ 0, "serve-fastapi-imports", NULL, "Let import fastapi give FastrAPI's modules, so that an application written for FastAPI runs unchanged." },
	{ 0, "explain", "'METHOD PATH'", "Print which route answers, its plan, and in which order things run." },
	{ 0, "dump", "WHAT", "Print what was compiled: manifest or image." },
	{ 0, "reference", "FORMAT", "Print the reference of the configuration: md, or man for the man page." },
	{ 0, "version", NULL, "Print the versions of fastrapid, of Python, and of libraries that it uses." },
	{ 0, "help", NULL, "Print this." },
};
/* clang-format on */
const size_t fr_option_count = sizeof fr_option_table / sizeof *fr_option_table;

static int wrong(struct fr_diag *diag, const char *where, const char *fmt, ...) FR_PRINTF(3, 4);

static int wrong(struct fr_diag *diag, const char *where, const char *fmt, ...)
{
	char message[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	return fr_diag_set(diag, FR_EINVAL, where, "%s", message);
}

static int unknown(const char *given, struct fr_diag *diag)
{
	const char *best = NULL;
	size_t least = (size_t)-1;

	for (size_t i = 0; i < fr_option_count && given[0] == '-' && given[1] == '-'; i++) {
		size_t d = fr_option_table[i].name
		                   ? fr_nearest_distance(given + 2, fr_option_table[i].name)
		                   : (size_t)-1;

		if (d < least) {
			least = d;
			best = fr_option_table[i].name;
		}
	}
	if (best && fr_nearest_plausible(least, strlen(given) - 2))
		return wrong(diag, "", "found the unknown option %.100s: is it --%s?", given, best);
	return wrong(diag, "", "found the unknown %s %.100s, expected one of fastrapid --help",
	             given[0] == '-' ? "option" : "argument", given);
}

/* The option that given names, and where its value starts if that is in the same word. */
static const struct fr_option *match(const char *given, const char **ret_value)
{
	*ret_value = NULL;
	for (size_t i = 0; i < fr_option_count; i++) {
		const struct fr_option *o = &fr_option_table[i];
		size_t len = o->name ? strlen(o->name) : 0;

		if (o->letter && given[0] == '-' && given[1] == o->letter &&
		    (o->arg || !given[2])) {
			*ret_value = given[2] ? given + 2 : NULL;
			return o;
		}
		if (o->name && !strncmp(given, "--", 2) && !strncmp(given + 2, o->name, len) &&
		    (!given[2 + len] || given[2 + len] == '=')) {
			*ret_value = given[2 + len] ? given + 2 + len + 1 : NULL;
			return o;
		}
	}
	return NULL;
}

static int set_mode(struct fr_options *options, enum fr_mode_of_run mode, const char *given,
                    struct fr_diag *diag)
{
	if (options->mode != FR_DO_SERVE)
		return wrong(
			diag, given,
			"only one of -t, -T, -s, --explain, --dump, --reference, --version and "
			"--help can be given");
	options->mode = mode;
	return 0;
}

static int set(struct fr_options *options, const struct fr_option *o, const char *value,
               struct fr_diag *diag)
{
	const struct {
		const char *name;
		const char **at;
	} texts[] = { { "app", &options->app },
		      { "app-dir", &options->app_dir },
		      { "workers", &options->workers },
		      { "python", &options->python } };

	if (o->letter == 'c') {
		options->file = value;
		return 0;
	}
	if (o->letter == 's') {
		options->command = value;
		if (strcmp(value, "reload") && strcmp(value, "stop") && strcmp(value, "status"))
			return wrong(diag, "-s",
			             "found \"%.100s\", expected reload, stop or status", value);
		return set_mode(options, FR_DO_COMMAND, "-s", diag);
	}
	if (o->letter)
		return set_mode(options, o->letter == 't' ? FR_DO_TEST : FR_DO_PRINT,
		                o->letter == 't' ? "-t" : "-T", diag);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (!strcmp(o->name, texts[i].name)) {
			*texts[i].at = value;
			return 0;
		}
	}
	if (!strcmp(o->name, "serve-fastapi-imports")) {
		options->serve_fastapi_imports = "true";
		return 0;
	}
	if (!strcmp(o->name, "listen")) {
		if (options->nlisten == FR_MAX_LISTEN)
			return wrong(diag, "--listen", "expected at most %d addresses",
			             FR_MAX_LISTEN);
		options->listen[options->nlisten++] = value;
		return 0;
	}
	if (!strcmp(o->name, "explain")) {
		options->explain = value;
		if (value[0] == ' ' || value[0] == '/' || !strstr(value, " /"))
			return wrong(diag, "--explain",
			             "found \"%.100s\", expected a method and a path such as "
			             "'GET /users/3'",
			             value);
		return set_mode(options, FR_DO_EXPLAIN, "--explain", diag);
	}
	if (!strcmp(o->name, "dump")) {
		if (!strcmp(value, "manifest"))
			return set_mode(options, FR_DO_DUMP_MANIFEST, "--dump", diag);
		if (!strcmp(value, "image"))
			return set_mode(options, FR_DO_DUMP_IMAGE, "--dump", diag);
		return wrong(diag, "--dump", "found \"%.100s\", expected manifest or image", value);
	}
	if (!strcmp(o->name, "reference")) {
		if (!strcmp(value, "md"))
			return set_mode(options, FR_DO_REFERENCE_MD, "--reference", diag);
		if (!strcmp(value, "man"))
			return set_mode(options, FR_DO_REFERENCE_MAN, "--reference", diag);
		return wrong(diag, "--reference", "found \"%.100s\", expected md or man", value);
	}
	return set_mode(options, strcmp(o->name, "help") ? FR_DO_VERSION : FR_DO_HELP, o->name,
	                diag);
}

int fr_options_read(int argc, char **argv, struct fr_options *ret, struct fr_diag *diag)
{
	struct fr_options options = { 0 };
	int err;

	for (int i = 1; i < argc; i++) {
		const char *given = argv[i], *value;
		const struct fr_option *o = match(given, &value);

		if (!o)
			return unknown(given, diag);
		if (!o->arg && value)
			return wrong(diag, given, "this option takes no value");
		if (o->arg && !value && ++i < argc)
			value = argv[i];
		if (o->arg && (!value || !*value))
			return wrong(diag, given, "expected %s after it", o->arg);
		if ((err = set(&options, o, value, diag)) < 0)
			return err;
	}
	*ret = options;
	return 0;
}

/* Text behind a first column of that width, broken between words. */
static void print_broken(FILE *out, const char *text, int indent)
{
	const int most = 79;
	int column = indent;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > indent && column + 1 + len > most) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", len, text);
		column += len;
		text += len + strspn(text + len, " ");
	}
	fputc('\n', out);
}

void fr_options_help(FILE *out)
{
	fprintf(out, "usage: fastrapid -c FILE [OPTION...]\n"
	             "       fastrapid --app MODULE:ATTRIBUTE [OPTION...]\n\n");
	for (size_t i = 0; i < fr_option_count; i++) {
		const struct fr_option *o = &fr_option_table[i];
		char left[64];

		snprintf(left, sizeof left, "%s%c%s%s%s", "-", o->letter ? o->letter : '-',
		         o->name ? o->name : "", o->arg ? " " : "", o->arg ? o->arg : "");
		fprintf(out, "  %-24s ", left);
		print_broken(out, o->text, 27);
	}
	fprintf(out, "\nfastrapid(8) and docs/configuration.md describe the configuration file.\n");
}

int fr_options_apply(const struct fr_options *options, struct fr_config *config,
                     struct fr_diag *diag)
{
	const struct {
		const char *key, *option, *value;
	} texts[] = { { "app", "--app", options->app },
		      { "app_dir", "--app-dir", options->app_dir },
		      { "workers", "--workers", options->workers },
		      { "python", "--python", options->python },
		      { "serve_fastapi_imports", "--serve-fastapi-imports",
		        options->serve_fastapi_imports } };
	int err;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].value && (err = fr_config_option(config, texts[i].key, texts[i].value,
		                                              texts[i].option, diag)) < 0)
			return err;
	if (options->nlisten)
		fr_config_clear_listen(config);
	for (size_t i = 0; i < options->nlisten; i++)
		if ((err = fr_config_option(config, "listen", options->listen[i], "--listen",
		                            diag)) < 0)
			return err;
	return 0;
}

int fr_options_configure(const struct fr_options *options, struct fr_config *config,
                         struct fr_diag *diag)
{
	int err;

	if (options->file && (err = fr_config_read(config, options->file, diag)) < 0)
		return err;
	if ((err = fr_options_apply(options, config, diag)) < 0 ||
	    (err = fr_config_finish(config, diag)) < 0)
		return err;
	if (!config->app && options->mode != FR_DO_PRINT)
		return fr_diag_set(
			diag, FR_EINVAL, options->file,
			"found no \"app\", expected one such as \"main:app\" (or --app)");
	return 0;
}
