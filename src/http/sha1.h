/*
 * SHA-1 (FIPS 180-4), for the one place where a protocol asks for it: the
 * Sec-WebSocket-Accept of RFC 6455.  It protects nothing there.
 *
 * It is our own because no library that we link has it: libsodium leaves
 * SHA-1 out on purpose, and a cryptographic library for one digest of sixty
 * bytes would be a dependency too many.  Any thread.
 */
#ifndef FR_HTTP_SHA1_H
#define FR_HTTP_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define FR_SHA1_BYTES 20

void fr_sha1(const void *data, size_t len, uint8_t ret[FR_SHA1_BYTES]);

#endif
