/*
 * From fastrapi.conf and the command line to struct fr_config, and back to
 * text.
 *
 * Called by master.c and options.c, before anything else is started, on the
 * master's thread.  The configuration owns its strings (fr_config_fini).
 */
#ifndef FR_MASTER_CONFIG_LOAD_H
#define FR_MASTER_CONFIG_LOAD_H

#include <stdio.h>

#include "base/err.h"
#include "master/config.h"

/* Reads file into config, which has been initialised.  diag: FILE:LINE:COLUMN and what is wrong. */
int fr_config_read(struct fr_config *config, const char *file, struct fr_diag *diag) FR_MUST_CHECK;

/* A key's value from the command line; where names the option.  Lists are appended to. */
int fr_config_option(struct fr_config *config, const char *key, const char *text, const char *where,
                     struct fr_diag *diag) FR_MUST_CHECK;

/* Forgets the addresses read so far: those of the command line replace them. */
void fr_config_clear_listen(struct fr_config *config);

/*
 * Takes control and pid_file, where they are not set, from a file with errors
 * in it, as far as they can be made out: to ask the server that still runs.
 */
void fr_config_find(struct fr_config *config, const char *file);

/* The path of the control socket, if it is not set: that of the pid file and ".sock". */
int fr_config_default_control(struct fr_config *config, struct fr_diag *diag) FR_MUST_CHECK;

/* Fills in what depends on the rest or on the machine: app_dir, listen, workers. */
int fr_config_finish(struct fr_config *config, struct fr_diag *diag) FR_MUST_CHECK;

/* The effective configuration, as a file that reads back the same. */
int fr_config_print(const struct fr_config *config, FILE *out) FR_MUST_CHECK;

#endif
