/*
 * The server's life in the master: generations, signals, commands, end.
 *
 * Called by fr_master_main when there is something to serve.  Blocks until
 * the end.
 */
#ifndef FR_MASTER_MASTER_H
#define FR_MASTER_MASTER_H

#include "base/err.h"
#include "master/config.h"
#include "master/heritage.h"
#include "master/options.h"

/*
 * Serves until told to stop.  Takes config over; a reload reads it anew as
 * options say.  Returns the exit code: 0, or 1 if it could not start.
 */
int fr_master_serve(struct fr_config *config, const struct fr_options *options,
                    const struct fr_entries *entries, int signal_fd);

/* Tells why something could not be done, and what the child said about it, on standard error. */
void fr_master_complain(const struct fr_diag *diag, const char *said);

#endif
