/*
 * An application, compiled: loader, manifest, image, seal, verification, in
 * that order.
 *
 * Used by the master for each generation, and by -t, --explain and --dump.
 * The struct owns the texts, the descriptor and the mapping.  Everything runs
 * on the given loop; only the making of the image takes the thread's time.
 */
#ifndef FR_MASTER_COMPILE_H
#define FR_MASTER_COMPILE_H

#include <stdio.h>

#include "base/err.h"
#include "master/config.h"
#include "master/loader.h"
#include "shm/layout.h"

struct fr_compiled {
	struct fr_loader loader; /* ret.said: what it said, after a failure too */
	uint64_t hash_seed; /* of Python's hashes, for this generation */
	int image_fd; /* sealed; -1: none */
	size_t image_size;
	const struct fr_image *image; /* verified, read-only */
	struct fr_diag diag; /* of on_done's error */
	fr_loader_done_fn *on_done;
	void *data;
};

void fr_compiled_init(struct fr_compiled *compiled);

/* Starts it; if that succeeds, on_done follows, with an error of the loader or of the image. */
int fr_compile_start(struct fr_compiled *compiled, struct ev_loop *loop,
                     const struct fr_config *config, fr_loader_done_fn *on_done, void *data,
                     struct fr_diag *diag) FR_MUST_CHECK;

/*
 * The same, to its end.  signal_fd is the master's (fr_signals_open):
 * SIGTERM, SIGINT or SIGQUIT there end it with FR_EAGAIN.
 */
int fr_compile(const struct fr_config *config, int signal_fd, struct fr_compiled *ret,
               struct fr_diag *diag) FR_MUST_CHECK;
void fr_compiled_fini(struct fr_compiled *compiled);

/* "N routes ok", and the routes that only the side list can hold. */
void fr_compiled_report(const struct fr_compiled *compiled, FILE *out);

#endif
