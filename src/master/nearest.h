/*
 * The name that someone probably meant: for messages about unknown keys and
 * options.  Pure; any thread.
 */
#ifndef FR_MASTER_NEAREST_H
#define FR_MASTER_NEAREST_H

#include <stddef.h>

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
size_t fr_nearest_distance(const char *a, const char *b);

/* Whether a distance is small enough, for a name of this length, to suggest it. */
int fr_nearest_plausible(size_t distance, size_t len);

#endif
