/*
 * Listening sockets: opened by the master, shared by every worker of every
 * generation.
 *
 * Called for each generation at its start and end, by the configuration to
 * check addresses, and for the control socket.  A list owns descriptors, names
 * and socket files; lists of two generations may hold descriptors of one socket.  The
 * master's thread.
 */
#ifndef FR_MASTER_LISTENERS_H
#define FR_MASTER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "master/config.h"
#include "master/heritage.h"

struct fr_listeners {
	struct fr_listener *list;
	size_t count;
};

/* Whether text is "host:port", "[v6]:port" or "unix:PATH"; if not, expected says what it should be. */
int fr_listen_check(const char *text, char *expected, size_t size) FR_MUST_CHECK;

/*
 * Whether two checked addresses can't be listened on together: the same
 * socket file, or one port of one host, or of all.  Port 0 is another each
 * time.  Names are not resolved, so that two for one host go unnoticed here.
 */
bool fr_listen_same(const char *a, const char *b);

/*
 * Opens all of the configuration's addresses, or none.  Non-blocking,
 * close-on-exec.  An address that from (may be NULL) has is not opened again:
 * ret gets another descriptor of the same socket.
 */
int fr_listeners_open(const struct fr_config *config, const struct fr_listeners *from,
                      struct fr_listeners *ret, struct fr_diag *diag) FR_MUST_CHECK;

/* The address really listened on: "127.0.0.1:8000", also where the port was 0. */
void fr_listener_address(const struct fr_listener *listener, char *out, size_t size);

/* Closes the master's copies and removes the socket files that keep (may be NULL) lacks; workers' copies live on. */
void fr_listeners_close(struct fr_listeners *listeners, const struct fr_listeners *keep);

/* Removes the socket file at path if it is still that one: another server may have put its own there. */
void fr_unix_remove(const char *path, dev_t dev, ino_t ino);

/* A listening Unix socket of that mode, and which file it is; a stale file is removed first.  name is for messages. */
int fr_unix_open(const char *path, mode_t mode, const char *name, struct fr_listener *ret,
                 struct fr_diag *diag) FR_MUST_CHECK;

#endif
