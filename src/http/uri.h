/*
 * The request target: its form, its parts, and percent-decoding.
 *
 * Called by the head parser and by whoever decodes a path.  Allocates
 * nothing; spans point into what was given.  Any thread.
 */
#ifndef FR_HTTP_URI_H
#define FR_HTTP_URI_H

#include <stdbool.h>

#include "base/err.h"
#include "http/head.h"

struct fr_target {
	struct fr_bytes authority; /* absolute-form only, else p is NULL */
	struct fr_bytes path; /* still encoded, starts with '/'; "*" for OPTIONS */
	struct fr_bytes query;
};

/*
 * Splits a target in origin-form, absolute-form (http, https) or "*" (only
 * with options).  Anything else, a fragment included, is FR_EINVAL.
 */
int fr_uri_split(struct fr_bytes target, bool options, struct fr_target *ret) FR_MUST_CHECK;

/*
 * Replaces %XX by the byte it means; escapes that are not two hex digits stay
 * as they are.  dst has room for src.len bytes and may be src.p itself.
 * Returns the length.
 */
size_t fr_uri_decode(struct fr_bytes src, char *dst);

/* host [":" port] of RFC 3986, without userinfo; the empty host is valid. */
bool fr_uri_host_valid(struct fr_bytes host);

#endif
