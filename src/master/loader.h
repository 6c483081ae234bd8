/*
 * The loader, seen from both ends: the master starts it and takes the
 * manifest; `fastrapid --loader` is what the master starts.
 *
 * The loader is the master's own program, executed afresh, so that user code
 * never runs in the master's memory.  It has a time limit (timeouts.start)
 * and a size limit (limits.manifest), and a process group that ends with it.
 * Everything runs on the given loop, and nothing blocks: the pipes are read
 * as they fill, the caller tells of the process's end.
 */
#ifndef FR_MASTER_LOADER_H
#define FR_MASTER_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ev.h>

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

/* It has ended: 0 and a manifest, or an error, which is in the loader's diag. */
typedef void fr_loader_done_fn(void *data, int err);

struct fr_loader {
	struct ev_loop *loop;
	const struct fr_config *config;
	pid_t pid; /* 0: none runs */
	bool killed; /* diag says why */
	ev_io manifest_io, said_io; /* fd -1: ended */
	ev_timer limit;
	size_t cap; /* of the manifest */
	struct fr_loaded
		ret; /* the caller's, from on_done on; what was said, after a failure too */
	struct fr_diag diag;
	fr_loader_done_fn *on_done;
	void *data;
};

/*
 * Starts the loader; if that succeeds, on_done follows.  FR_ECHILD: the loader
 * failed, its words are in ret.said; FR_ETIMEOUT, FR_ELIMIT: its limits.
 */
int fr_loader_start(struct fr_loader *loader, struct ev_loop *loop, const struct fr_config *config,
                    uint64_t hash_seed, fr_loader_done_fn *on_done, void *data,
                    struct fr_diag *diag) FR_MUST_CHECK;

/* Kills what runs; on_done follows with why's code. */
void fr_loader_kill(struct fr_loader *loader, const struct fr_diag *why);

/* A child has ended and was not reaped yet.  Returns whether it was this loader, which is reaped then. */
bool fr_loader_ended(struct fr_loader *loader, pid_t pid);

void fr_loaded_fini(struct fr_loaded *loaded);

/* The main of `fastrapid --loader key=value...`; returns the exit code. */
int fr_loader_child(int argc, char **argv, const struct fr_entries *entries);

#endif
