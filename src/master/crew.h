/*
 * The crew: the worker processes of one generation.
 *
 * Started by the master with a sealed image; ready when every worker has
 * reported that its lifespan start-up has ended.  Before that, the first
 * failure ends the whole crew; afterwards a worker that dies is replaced: at
 * once if it had served, ever more slowly if it goes on dying before it can.
 * What replaces it is forked from the spare, or, where there is none, from
 * the master.  The crew owns the processes and their report sockets, and
 * borrows all else.  Everything runs on the master's loop.
 */
#ifndef FR_MASTER_CREW_H
#define FR_MASTER_CREW_H

#include <stdbool.h>
#include <sys/types.h>

#include <ev.h>

#include "base/err.h"
#include "master/heritage.h"
#include "master/oom.h"
#include "master/spare.h"

enum fr_crew_state {
	FR_CREW_STARTING,
	FR_CREW_READY,
	FR_CREW_RETIRING, /* others serve; these finish what they have */
	FR_CREW_STOPPING,
	FR_CREW_GONE, /* no process is left */
};

struct fr_crew;

struct fr_member {
	struct fr_crew *crew;
	unsigned number;
	pid_t pid; /* 0: not running */
	int report_fd; /* -1: closed */
	bool asked; /* not running: the spare is about to make it */
	bool ready;
	bool late; /* was killed because it did not become ready in time */
	int told; /* the signal that we sent it last; 0: none */
	unsigned failures; /* deaths in a row before it was ready, or right after */
	ev_tstamp ready_at;
	ev_io report;
	/* Running: until it must be ready; asked: until it must run; else until it is started again. */
	ev_timer timer;
};

/* What the crew tells its owner.  All may call fr_crew_stop; none may free the crew. */
struct fr_crew_events {
	void *data;
	void (*on_ready)(void *data); /* all wait for fr_crew_accept */
	void (*on_failed)(void *data); /* it will not come up: diag, failure; it is being stopped */
	void (*on_gone)(void *data);
	/* A worker has ended; how: "exited with code 3"; unexpected: nobody told it to.  May be NULL. */
	void (*on_ended)(void *data, unsigned worker, pid_t pid, const char *how, bool unexpected);
	void (*on_spare)(void *data); /* something about it has changed.  May be NULL */
};

struct fr_crew {
	struct ev_loop *loop;
	const struct fr_entries *entries;
	struct fr_heritage heritage; /* the same for all but for worker and master_fd */
	struct fr_crew_events events;
	struct fr_member *members;
	unsigned count;
	unsigned started; /* of them; the next one when one of these is ready */
	struct fr_spare spare;
	enum fr_crew_state state;
	bool failed; /* it ended because it could not start */
	char *failure; /* the worker's words for it, or NULL */
	struct fr_diag diag; /* and ours */
	ev_timer deadline; /* of stopping */
	unsigned long restarts;
	struct fr_oom oom; /* as it was looked at last */
};

/*
 * Forks the workers, at_once of them at a time: whenever one is ready, the
 * next.  heritage's worker and master_fd are ignored.
 */
int fr_crew_start(struct fr_crew *crew, struct ev_loop *loop, const struct fr_entries *entries,
                  const struct fr_heritage *heritage, unsigned at_once,
                  struct fr_crew_events events, struct fr_diag *diag) FR_MUST_CHECK;

/* All of its workers may accept from now on, also those that replace them; the spare is started. */
void fr_crew_accept(struct fr_crew *crew);

/* Others serve: ends all workers without haste, within timeouts.drain.  on_gone follows. */
void fr_crew_retire(struct fr_crew *crew);

/* Cancels what a retiring crew, or one that failed, still does.  on_gone follows soon. */
void fr_crew_hasten(struct fr_crew *crew);

/* All of its processes get their own copy of heritage's log_fd again: the master has put another file there. */
void fr_crew_reopen_log(struct fr_crew *crew);

/* Whether it is one of the workers, or the spare. */
bool fr_crew_has(const struct fr_crew *crew, pid_t pid);

/* A child has ended.  Returns whether it was of this crew. */
bool fr_crew_reaped(struct fr_crew *crew, pid_t pid, int status);

/*
 * Ends all workers: gracefully (an order, then timeouts.drain and a margin),
 * or fast (SIGQUIT, then a short time), then SIGKILL.  A second call may
 * only hasten.  on_gone follows.
 */
void fr_crew_stop(struct fr_crew *crew, bool graceful);

/* Frees what a gone crew holds. */
void fr_crew_fini(struct fr_crew *crew);

#endif
