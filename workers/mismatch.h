/*
 * Whether the application that a worker imported is the one that the loader
 * saw: by fingerprint, and in words if it is not.
 *
 * Called once in a worker, before anything is bound.
 */
#ifndef FR_WORKERS_MISMATCH_H
#define FR_WORKERS_MISMATCH_H

#include <stddef.h>

#include "base/err.h"
#include "shm/layout.h"

/* 0: they are the same.  FR_ECORRUPT: diag names the first differing route and field. */
int fr_mismatch_find(const struct fr_image *image, const char *manifest, size_t len,
                     struct fr_diag *diag) FR_MUST_CHECK;

#endif
