/*
 * What of WebSockets (RFC 6455) is a matter of bytes alone: the opening
 * handshake, close codes.  Frames are wslay's, in net/ws.c.
 *
 * Pure functions; any thread.
 */
#ifndef FR_HTTP_WS_H
#define FR_HTTP_WS_H

#include <stdbool.h>
#include <stddef.h>

#include "http/head.h"

#define FR_WS_ACCEPT_BYTES 28 /* of the Sec-WebSocket-Accept field */

/*
 * Whether a request asks for a WebSocket: 0, it does not, and is to be
 * answered as any other; 101, it does so validly; else the status of the
 * refusal (400, 426) and its reason in *ret_why.
 */
int fr_ws_handshake(const struct fr_head *head, const char **ret_why);

/* The Sec-WebSocket-Accept for a head of which the above said 101; with a final NUL. */
void fr_ws_accept(const struct fr_head *head, char ret[FR_WS_ACCEPT_BYTES + 1]);

/* Whether a peer may send this code in a close frame. */
bool fr_ws_code_valid(unsigned code);

#endif
