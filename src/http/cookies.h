/*
 * The Cookie field, read as Starlette's cookie parser reads it: pieces
 * between semicolons, split at the first '=', white space trimmed; a piece
 * without '=' is a value with the empty name; of equal names the last one
 * wins, which is the caller's to apply.
 *
 * Spans point into the text, which Starlette takes as Latin-1.  Values in
 * double quotes are reported raw, with their quotes, for Python to decode.
 * Allocates nothing.  Any thread.
 */
#ifndef FR_HTTP_COOKIES_H
#define FR_HTTP_COOKIES_H

#include <stdbool.h>

#include "http/head.h"

struct fr_cookies {
	const char *p, *end;
	bool more;
};

struct fr_cookie {
	struct fr_bytes name, value;
	bool quoted; /* the value needs http.cookies' unquoting */
};

void fr_cookies_init(struct fr_cookies *c, struct fr_bytes text);

/* The next cookie; false at the end. */
bool fr_cookies_next(struct fr_cookies *c, struct fr_cookie *ret);

#endif
