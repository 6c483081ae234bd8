/*
 * Query strings and urlencoded forms, read as Python's
 * urllib.parse.parse_qsl(keep_blank_values=True) reads them.
 *
 * The walk yields raw spans of the text; decoding is a second step, for the
 * pairs that somebody wants.  Text with bytes beyond ASCII is decoded by
 * Python piece by piece: ask fr_query_is_ascii first, and leave such text to
 * Python.  Allocates nothing.  Any thread.
 */
#ifndef FR_HTTP_QUERY_H
#define FR_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "http/head.h"

struct fr_query {
	const char *p, *end;
};

struct fr_query_pair {
	struct fr_bytes name, value; /* raw; an absent value is empty */
};

void fr_query_init(struct fr_query *q, struct fr_bytes text);

/* The next pair; false at the end.  Empty pieces are skipped. */
bool fr_query_next(struct fr_query *q, struct fr_query_pair *ret);

bool fr_query_is_ascii(struct fr_bytes text);

/* Whether decoding would change raw at all: no means that it can be used as it is. */
bool fr_query_is_encoded(struct fr_bytes raw);

/*
 * '+' to space, then %XX to bytes, invalid escapes kept.  dst has room for
 * raw.len bytes.  Returns the length.  The result is bytes that Python would
 * decode as UTF-8 with replacement.
 */
size_t fr_query_decode(struct fr_bytes raw, char *dst);

/* Whether raw, once decoded, equals these bytes. */
bool fr_query_equals(struct fr_bytes raw, struct fr_bytes decoded);

#endif
