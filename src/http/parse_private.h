/*
 * What the two halves of the parser share: parse.c alone knows llhttp, and
 * parse_chunked.c, which watches over the framing of chunks, calls it here.
 * For src/http/parse*.c only.
 */
#ifndef FR_HTTP_PARSE_PRIVATE_H
#define FR_HTTP_PARSE_PRIVATE_H

#include "http/parse.h"

/*
 * Feeds llhttp until it has taken all, or paused at a chunk's header or at
 * the end of the message (flags in p).  0 or a negative status.
 */
int fr_parser_execute(struct fr_parser *p, const char *data, size_t len,
                      size_t *ret_used) FR_MUST_CHECK;

#endif
