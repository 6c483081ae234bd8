/*
 * The command line of fastrapid, from one table, which also makes --help and
 * the man page.
 *
 * Called by fr_master_main, and to read the configuration anew for a reload.  The strings point into argv.
 */
#ifndef FR_MASTER_OPTIONS_H
#define FR_MASTER_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "master/config.h"

enum fr_mode_of_run {
	FR_DO_SERVE,
	FR_DO_TEST, /* -t */
	FR_DO_PRINT, /* -T */
	FR_DO_COMMAND, /* -s */
	FR_DO_EXPLAIN,
	FR_DO_DUMP_MANIFEST,
	FR_DO_DUMP_IMAGE,
	FR_DO_REFERENCE_MD,
	FR_DO_REFERENCE_MAN,
	FR_DO_VERSION,
	FR_DO_HELP,
};

struct fr_options {
	enum fr_mode_of_run mode;
	const char *file; /* -c */
	const char *command; /* of -s */
	const char *explain; /* "GET /users/3" */
	/* Overrides of keys, in their order. */
	const char *app, *app_dir, *python, *workers;
	const char *serve_fastapi_imports; /* "true" if given */
	const char *listen[FR_MAX_LISTEN];
	size_t nlisten;
};

struct fr_option {
	char letter; /* 0: long name only */
	const char *name; /* NULL: letter only */
	const char *arg; /* what follows, for the reader; NULL: nothing */
	const char *text;
};

extern const struct fr_option fr_option_table[];
extern const size_t fr_option_count;

/* FR_EINVAL: the command line is wrong, diag says how. */
int fr_options_read(int argc, char **argv, struct fr_options *ret,
                    struct fr_diag *diag) FR_MUST_CHECK;

void fr_options_help(FILE *out);

/* Sets the keys that the command line overrides. */
int fr_options_apply(const struct fr_options *options, struct fr_config *config,
                     struct fr_diag *diag) FR_MUST_CHECK;

/* All of it: the file's keys, the command line's, and the rest.  config has been initialised. */
int fr_options_configure(const struct fr_options *options, struct fr_config *config,
                         struct fr_diag *diag) FR_MUST_CHECK;

#endif
