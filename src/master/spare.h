/*
 * The spare of a crew: a process that has imported the application and waits
 * to be forked, so that a dead worker is replaced without an import.
 *
 * Started by crew.c when the crew is ready; one at a time, and another when
 * it has died or was used up.  It owns the process and its socket; the crew
 * owns the workers that come out of it.  Everything runs on the master's
 * loop.
 */
#ifndef FR_MASTER_SPARE_H
#define FR_MASTER_SPARE_H

#include <stdbool.h>
#include <sys/types.h>

#include <ev.h>

#include "base/err.h"
#include "master/heritage.h"

enum fr_spare_state {
	FR_SPARE_NONE, /* nobody wants one */
	FR_SPARE_WAITING, /* until one is started again */
	FR_SPARE_LOADING,
	FR_SPARE_PARKED,
	FR_SPARE_ENDING, /* it was killed */
};

struct fr_spare_events {
	void *data;
	/* What fr_spare_take asked for.  pid 0: it could not be done. */
	void (*on_forked)(void *data, unsigned worker, pid_t pid);
	/* No on_forked follows any more to what was asked. */
	void (*on_lost)(void *data);
	void (*on_change)(void *data); /* of state or why */
};

struct fr_spare {
	struct ev_loop *loop;
	const struct fr_entries *entries;
	const struct fr_heritage *heritage; /* the crew's */
	struct fr_spare_events events;
	enum fr_spare_state state;
	pid_t pid; /* 0: not running */
	int fd; /* -1: closed */
	char why[FR_SPARE_WHY]; /* it can't be forked; "": it can */
	unsigned failures; /* in a row */
	ev_tstamp parked_at;
	bool unwanted; /* for good */
	bool held; /* the owner's word: none is started while another generation is on its way */
	ev_io io;
	ev_timer timer; /* loading: until it must be parked; waiting: until it is started */
};

void fr_spare_init(struct fr_spare *spare, struct ev_loop *loop, const struct fr_entries *entries,
                   const struct fr_heritage *heritage, struct fr_spare_events events);

/* One is wanted from now on: started a little later, unless there is one, or one is about to be. */
void fr_spare_start(struct fr_spare *spare);

/*
 * Makes worker of it, with worker_fd, which stays the caller's.  A pid: that
 * of the spare, which is the crew's process now.  0: on_forked or on_lost
 * follows.  FR_ENOENT: there is none.
 */
int fr_spare_take(struct fr_spare *spare, unsigned worker, int worker_fd,
                  pid_t *ret_pid) FR_MUST_CHECK;

/* The log was opened anew: see fr_crew_reopen_log. */
void fr_spare_reopen_log(struct fr_spare *spare);

/* Takes what it has reported by now. */
void fr_spare_hear(struct fr_spare *spare);

/* It doesn't answer: another one is started. */
void fr_spare_discard(struct fr_spare *spare);

/* None is wanted any more.  If one runs it is killed; fr_spare_reaped follows. */
void fr_spare_end(struct fr_spare *spare);

/* A child has ended.  Returns whether it was the spare. */
bool fr_spare_reaped(struct fr_spare *spare, pid_t pid, int status);

/* "loading", for people. */
const char *fr_spare_state_name(enum fr_spare_state state);

/* Stops watchers, closes the socket. */
void fr_spare_fini(struct fr_spare *spare);

#endif
