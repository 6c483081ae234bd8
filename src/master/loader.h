/*
 * The loader, seen from both ends: the master starts it and takes the
 * manifest; `fastrapid --loader` is what the master starts.
 *
 * The loader is the master's own program, executed afresh, so that user code
 * never runs in the master's memory.  It has a time limit (timeouts.start)
 * and a size limit (limits.manifest), and a process group that ends with it.
 * The master's thread; fr_loader_run blocks, but for signals.
 */
#ifndef FR_MASTER_LOADER_H
#define FR_MASTER_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "master/config.h"
#include "master/heritage.h"

/* The most of the loader's standard error that is kept: its end. */
#define FR_LOADER_SAID_MAX 65536u

struct fr_loaded {
	char *manifest; /* NULL after a failure */
	size_t len;
	char *said; /* what the loader printed, NUL-terminated; NULL: nothing.  After a failure too. */
	size_t said_len;
};

/*
 * Runs the loader.  signal_fd is the master's (fr_signals_open): SIGTERM,
 * SIGINT or SIGQUIT there end the loader, and FR_EAGAIN is returned.
 * FR_ECHILD: the loader failed, its words are in ret->said; FR_ETIMEOUT,
 * FR_ELIMIT: its limits.  ret is always set: end it with fr_loaded_fini.
 */
int fr_loader_run(const struct fr_config *config, uint64_t hash_seed, int signal_fd,
                  struct fr_loaded *ret, struct fr_diag *diag) FR_MUST_CHECK;
void fr_loaded_fini(struct fr_loaded *loaded);

/* The main of `fastrapid --loader key=value...`; returns the exit code. */
int fr_loader_child(int argc, char **argv, const struct fr_entries *entries);

#endif
