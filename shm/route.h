/*
 * Route lookup in an image: which route answers a method and a path.
 *
 * Called by workers (through the executor) and by `fastrapid --explain`.
 * Allocates nothing (but fr_route_redirect, for a path of more than
 * FR_REDIRECT_STACK bytes), keeps nothing, may be called from any thread.
 */
#ifndef FR_SHM_ROUTE_H
#define FR_SHM_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/layout.h"

#define FR_MAX_PATH_PARAMS 32
#define FR_REDIRECT_STACK 4096

struct fr_span {
	const char *p;
	size_t len;
};

enum fr_match_kind {
	FR_MATCH_NONE = 0, /* 404, or a slash redirect */
	FR_MATCH_FULL = 1,
	FR_MATCH_METHOD =
		2, /* the path matches, the method does not: 405 with this route's methods */
};

struct fr_match {
	enum fr_match_kind kind;
	uint32_t route;
	uint32_t side; /* index of the side entry that won, else FR_NONE32 */
	uint32_t probes; /* hash probes made, for --explain and the tests */
	bool undecided; /* side was NULL, and a side entry that fits could have won */
	uint32_t nparams;
	struct fr_span params[FR_MAX_PATH_PARAMS]; /* into path; not filled for side entries */
};

/*
 * Asked for a side entry whose prefix fits and whose place could still win.
 * Returns FR_MATCH_FULL, FR_MATCH_METHOD or FR_MATCH_NONE, or a negative
 * number to end the lookup with that error.
 */
typedef int fr_side_fn(void *arg, const struct fr_side *side, const char *path, size_t len);

/* The bit of a method's name; FR_OTHER for one that is not well known. */
uint32_t fr_method_bit(const char *name, size_t len);

/*
 * Looks path up (decoded, without query; starts with '/').  First declared
 * wins: the lowest route index whose path and method match, else the lowest
 * whose path matches.  method_name is read only when method is FR_OTHER.
 * side may be NULL when the caller can't try side entries: they are then
 * passed over, and undecided tells whether one could have won.  Returns 0, or
 * the negative number that side returned.
 */
int fr_route_find(const struct fr_image *img, uint32_t method, struct fr_span method_name,
                  const char *path, size_t len, fr_side_fn *side, void *side_arg,
                  struct fr_match *ret_match);

/*
 * Which route answers a WebSocket's handshake for path: the first of those
 * that decide for themselves, WebSocket routes and others, that side says
 * takes it.  FR_NONE32: none.  Returns 0, or the negative number that side
 * returned.
 */
int fr_route_find_socket(const struct fr_image *img, const char *path, size_t len, fr_side_fn *side,
                         void *side_arg, uint32_t *ret_route);

/*
 * FastAPI's slash redirect: whether path with its trailing slashes taken off,
 * or with one added, would match.  Writes the new length into ret_len and
 * returns 1 (then *ret_add tells whether to add a slash or cut), else 0 (also
 * when the application has redirect_slashes off), or a negative number: what
 * side returned, or FR_ENOMEM.
 */
int fr_route_redirect(const struct fr_image *img, const char *path, size_t len, fr_side_fn *side,
                      void *side_arg, size_t *ret_len, int *ret_add);

#endif
