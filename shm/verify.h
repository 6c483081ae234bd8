/*
 * The image verifier: whether every offset, count, id and value of an image
 * may be trusted.
 *
 * Called on every image before anything else is read from it: by the master
 * after sealing, by workers after mapping.  Takes any bytes; reads nothing
 * outside them.  Allocates nothing; any thread.
 */
#ifndef FR_SHM_VERIFY_H
#define FR_SHM_VERIFY_H

#include <stddef.h>

#include "base/err.h"

/* p is 8-byte aligned.  0, or FR_ECORRUPT and where: "routes[3].steps[1].slot". */
int fr_image_verify(const void *p, size_t size, struct fr_diag *diag) FR_MUST_CHECK;

#endif
