/*
 * What the server is doing, as the master knows it: from the workers' boards
 * in shared memory, and from what the master itself has seen.
 *
 * Nothing here asks a worker, so it answers when all of them are stuck.
 * Counters of a worker that ends and of a generation that is replaced are
 * kept; routes that no generation has any more are summed up as one.  Made by
 * master.c, one for the server's life; everything runs on the master's loop.
 */
#ifndef FR_MASTER_STATUS_H
#define FR_MASTER_STATUS_H

#include <stdbool.h>
#include <sys/types.h>

#include <ev.h>

#include "base/err.h"
#include "shm/board.h"
#include "shm/layout.h"

struct fr_status;
struct fr_watch; /* one generation's board */

/* NULL: out of memory. */
struct fr_status *fr_status_new(struct ev_loop *loop, const char *version);
void fr_status_free(struct fr_status *s);

/* ---- generations and workers ---- */

/*
 * Makes the board for the workers of a generation, each of which can name
 * nflights requests.  Other names are copied from image.
 */
int fr_status_enter(struct fr_status *s, unsigned generation, const struct fr_image *image,
                    unsigned nworkers, uint32_t nflights, struct fr_watch **ret,
                    struct fr_diag *diag) FR_MUST_CHECK;

/* What its workers inherit. */
const struct fr_board *fr_watch_board(const struct fr_watch *w);

/*
 * A worker has ended: logs the requests that ended with it, keeps its
 * counters, and clears its slot for the next one.  how: "was ended by signal
 * 9 (Killed)"; unexpected: nobody told it to end.
 */
void fr_watch_died(struct fr_watch *w, unsigned worker, pid_t pid, const char *how,
                   bool unexpected);

/*
 * What its spare is doing; state is a constant, or NULL: it has none.  why:
 * the reason why it can't be forked, copied.
 */
void fr_watch_spare(struct fr_watch *w, pid_t pid, const char *state, const char *why);

/* No worker of it is left.  w may be NULL. */
void fr_status_leave(struct fr_watch *w);

/* Generation number serves from now on; it came with a reload if it is not the first. */
void fr_status_serves(struct fr_status *s, unsigned generation);

/* A reload has failed: error is what was said about it, traceback included. */
void fr_status_reload_failed(struct fr_status *s, const char *error);

/* ---- answers ---- */

/* JSON, or a table for people; NULL: out of memory; free() it. */
char *fr_status_json(struct fr_status *s);
char *fr_status_table(struct fr_status *s);

/*
 * Opens address, so that HTTP can be answered there; NULL, or the present one:
 * nothing is to be opened.  One of the two below follows.
 */
int fr_status_open(struct fr_status *s, const char *address, struct fr_diag *diag) FR_MUST_CHECK;

/* Answers on what was opened for address, and no longer on the one before. */
void fr_status_move(struct fr_status *s, const char *address);

/* Closes what was opened: all stays as it was. */
void fr_status_stay(struct fr_status *s);

/* Tells the log where that is. */
void fr_status_log(const struct fr_status *s);

#endif
