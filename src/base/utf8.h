/*
 * UTF-8 as Unicode's table 3-7 has it: nothing overlong, no surrogates,
 * nothing above U+10FFFF.  Borrows the text; any thread.
 */
#ifndef FR_BASE_UTF8_H
#define FR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes of the character at p, of which left are there (at least one); 0: that is none. */
size_t fr_utf8_len(const char *p, size_t left);

bool fr_utf8_valid(const char *p, size_t len);

#endif
