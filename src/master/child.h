/*
 * What every child does first, between fork and its real work: signals,
 * descriptors, privileges, the tie to its parent.
 *
 * Called in loader and workers only, after fork, with one thread.  The
 * signal descriptor and the reaping are the master's side of the same thing.
 */
#ifndef FR_MASTER_CHILD_H
#define FR_MASTER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Blocks the signals that the master handles and returns a non-blocking descriptor for them. */
int fr_signals_open(int *ret_fd, struct fr_diag *diag) FR_MUST_CHECK;

/* The next signal that waits there, or 0. */
int fr_signals_next(int fd);

/* A child that has ended and waits to be reaped; 0: none. */
pid_t fr_child_ended(void);

/* Whether that child has, and waits to be reaped. */
bool fr_child_has_ended(pid_t pid);

/* Reaps it; returns its status. */
int fr_child_reap(pid_t pid);

/* Default actions, nothing blocked, and a process group of its own: Ctrl-C is the master's to tell. */
void fr_child_reset_signals(void);

/* Closes all descriptors above 2 but those n; keep is sorted in place. */
void fr_child_close_fds(int *keep, size_t n);

/* Standard input from /dev/null; FR_EIO if that fails. */
int fr_child_close_stdin(void) FR_MUST_CHECK;

/* From now on the parent's death sends signo.  Ends the process if the parent is gone already. */
void fr_child_follow(pid_t parent, int signo);

/*
 * Becomes user and group (either may be NULL) for good: groups, gid, uid, no
 * way back, no new privileges.  Does nothing if both are NULL or are what the
 * process is.  Clears what fr_child_follow asked for.
 */
int fr_child_drop(const char *user, const char *group, struct fr_diag *diag) FR_MUST_CHECK;

#endif
