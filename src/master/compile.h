/*
 * An application, compiled: loader, manifest, image, seal, verification, in
 * that order.
 *
 * Called by the master at start, and by -t, --explain and --dump.  The
 * struct owns the texts, the descriptor and the mapping.  The master's thread.
 */
#ifndef FR_MASTER_COMPILE_H
#define FR_MASTER_COMPILE_H

#include <stdio.h>

#include "base/err.h"
#include "master/config.h"
#include "master/loader.h"
#include "shm/layout.h"

struct fr_compiled {
	struct fr_loaded loaded;
	uint64_t hash_seed; /* of Python's hashes, for this generation */
	int image_fd; /* sealed; -1: none */
	size_t image_size;
	const struct fr_image *image; /* verified, read-only */
};

/* ret is always set; after a failure it may hold what the loader said.  Errors of fr_loader_run, too. */
int fr_compile(const struct fr_config *config, int signal_fd, struct fr_compiled *ret,
               struct fr_diag *diag) FR_MUST_CHECK;
void fr_compiled_fini(struct fr_compiled *compiled);

/* "N routes ok", and the routes that only the side list can hold. */
void fr_compiled_report(const struct fr_compiled *compiled, FILE *out);

#endif
