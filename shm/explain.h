/*
 * An image in words, for people: `fastrapid --explain` and `--dump image`.
 *
 * The image has been verified.  Writes to out, keeps nothing; any thread.
 */
#ifndef FR_SHM_EXPLAIN_H
#define FR_SHM_EXPLAIN_H

#include <stdio.h>

#include "shm/layout.h"

/*
 * Which route answers method and path (decoded, no query), the probes made,
 * the parameters, and the plan step by step.  Side entries, which need the
 * application's objects, are named but not tried; the method "WEBSOCKET"
 * stands for a WebSocket's handshake, for which there are no others.  Returns
 * 0 if a route answers, 1 if none does (404, 405 or a redirect, which is said).
 */
int fr_explain(const struct fr_image *img, const char *method, const char *path, FILE *out);

/* All of the image. */
void fr_image_dump(const struct fr_image *img, FILE *out);

#endif
