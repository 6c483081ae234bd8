/*
 * Forks a worker or a spare: from fork to what it runs.
 *
 * Called by crew.c and spare.c on the master's loop.  The caller owns the
 * process and the master's end of its socket pair.
 */
#ifndef FR_MASTER_SPAWN_H
#define FR_MASTER_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include <ev.h>

#include "base/err.h"
#include "master/heritage.h"

/*
 * A child that inherits heritage, whose master_fd is filled in, in a process
 * group of its own.  loop is the master's: the child has no use for it.
 */
int fr_spawn(struct ev_loop *loop, const struct fr_entries *entries,
             const struct fr_heritage *heritage, pid_t *ret_pid, int *ret_fd,
             struct fr_diag *diag) FR_MUST_CHECK;

/* Reports that are read in one turn, for more may come as fast as they are read. */
#define FR_REPORTS_TURN 64u
/* At the end of who sent them: no pair of sockets holds so many. */
#define FR_REPORTS_END 8192u

/* A pair of sockets for orders and reports; ends[1] is the child's. */
int fr_spawn_pair(int ends[2], struct fr_diag *diag) FR_MUST_CHECK;

/* Sends len bytes and a descriptor over such a pair, without waiting.  FR_EIO: errno says why not. */
int fr_spawn_send_fd(int socket, const void *bytes, size_t len, int fd) FR_MUST_CHECK;

#endif
