/*
 * The image builder: manifest text in, image out; then the sealed copy of it.
 *
 * Called by the master, once per generation, and by the extension module for
 * an image in private memory.  The caller owns what it gets: the buffer
 * (fini), the descriptor (close), the mapping (unmap).  No state of its own:
 * any thread.
 */
#ifndef FR_SHM_BUILDER_H
#define FR_SHM_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "shm/layout.h"

#define FR_IMAGE_MAX (1u << 30) /* bytes of an image */
#define FR_MANIFEST_MAX (256u << 20) /* bytes of a manifest */

struct fr_image_buf {
	struct fr_image *image; /* from the heap, 64-byte aligned */
	size_t size;
};

void fr_image_buf_fini(struct fr_image_buf *buf);

/* BLAKE2b-256 of the manifest's bytes: what loader, image and workers compare. */
void fr_image_fingerprint(const char *manifest, size_t len, uint8_t ret[32]);

/*
 * Compiles a manifest.  seed keys the route hashes; the same manifest and
 * seed give the same bytes.  On error (FR_EINVAL, FR_ELIMIT, FR_ENOMEM) diag
 * says where in the manifest.
 */
int fr_image_build(const char *manifest, size_t len, uint64_t seed, struct fr_image_buf *ret,
                   struct fr_diag *diag) FR_MUST_CHECK;

/* A sealed memfd (close-on-exec) with the buffer's bytes. */
int fr_image_seal(const struct fr_image_buf *buf, int *ret_fd, struct fr_diag *diag) FR_MUST_CHECK;

/*
 * Maps a sealed image read-only; refuses a descriptor that isn't sealed or
 * hasn't this size.  The caller verifies (verify.h) before it reads.
 */
int fr_image_map(int fd, size_t size, const struct fr_image **ret,
                 struct fr_diag *diag) FR_MUST_CHECK;
void fr_image_unmap(const struct fr_image *image, size_t size);

#endif
