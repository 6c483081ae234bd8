/*
 * A server of net/ and one client of it over a socket pair, in one thread:
 * what the targets that fuzz whole connections share.
 */
#ifndef FR_TESTS_FUZZ_WIRE_H
#define FR_TESTS_FUZZ_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/server.h"

/* How a connection goes when not all goes well; none: it must end by itself, and always alike. */
enum wire_wild {
	WIRE_EXPIRE = 1, /* whatever timer runs has expired, after each piece */
	WIRE_DRAIN = 2, /* the server drains when half of the bytes are sent */
	WIRE_LEAVE = 4, /* the client is gone once it has sent all */
	WIRE_DEAF = 8, /* it reads nothing, and the socket holds little */
};
#define WIRE_WILD 15u

/*
 * Sends size bytes in pieces of step bytes to a server of its own.  between
 * is called after each turn of the loop and tells whether it did anything.
 * Returns what the client received; free() it.
 */
char *wire_run(const struct fr_app *app, const struct fr_net_limits *limits, const uint8_t *data,
               size_t size, size_t step, unsigned wild, bool (*between)(void), size_t *ret_len);

/*
 * Ends the program with both texts unless they are the same but for what may
 * differ, which is cleared away: dates, interim answers, and net's refusals.
 * (No application here answers with 4xx or 5xx.)
 */
void wire_compare(char *whole, size_t whole_len, char *pieces, size_t pieces_len);

#endif
