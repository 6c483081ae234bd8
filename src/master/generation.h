/*
 * A generation: one configuration and one application, from the loader to
 * its last worker.
 *
 * Made by master.c at the start and for each reload.  It owns its
 * configuration, its descriptors of the listening sockets and of the log, the
 * image and the crew; nothing of it is shared with other generations.
 * Everything runs on the master's loop.
 */
#ifndef FR_MASTER_GENERATION_H
#define FR_MASTER_GENERATION_H

#include <stdbool.h>

#include <ev.h>

#include "base/err.h"
#include "master/compile.h"
#include "master/config.h"
#include "master/crew.h"
#include "master/heritage.h"
#include "master/listeners.h"
#include "master/status.h"

struct fr_generation;

/* None of them may free the generation. */
struct fr_generation_events {
	void *data;
	void (*on_ready)(void *data,
	                 struct fr_generation *g); /* all workers wait for fr_crew_accept */
	void (*on_failed)(void *data,
	                  struct fr_generation *g); /* it will not come up: diag, said */
	void (*on_gone)(void *data, struct fr_generation *g); /* no process of it is left */
};

struct fr_generation {
	struct fr_generation *next; /* for the owner's lists */
	struct ev_loop *loop;
	const struct fr_entries *entries;
	struct fr_generation_events events;
	unsigned number; /* from 1 */
	struct fr_config config;
	struct fr_listeners listeners;
	struct fr_compiled compiled;
	struct fr_crew crew;
	struct fr_status *status; /* the server's; borrowed */
	struct fr_watch *watch; /* NULL before the crew is started */
	int log_fd;
	uint32_t routes;
	bool beside; /* another one serves meanwhile */
	bool crewed; /* the crew was started */
	bool stopping;
	bool hastened;
	bool gone;
	struct fr_diag diag;
	char *said; /* what loader or worker said about it; NULL: nothing */
};

/* Takes the configuration over, and empties *config.  NULL: out of memory. */
struct fr_generation *fr_generation_new(struct ev_loop *loop, const struct fr_entries *entries,
                                        unsigned number, struct fr_config *config,
                                        struct fr_status *status,
                                        struct fr_generation_events events);

/*
 * Opens the log and the sockets (those of from, which may be NULL, are
 * shared) and starts the loader; beside from, which serves, with less of the
 * processors and limits.starting workers at a time.  After success one of
 * on_ready and on_failed follows, unless it is stopped before; and on_gone at
 * the end.
 */
int fr_generation_start(struct fr_generation *g, const struct fr_generation *from,
                        struct fr_diag *diag) FR_MUST_CHECK;

/* Opens log.file anew, which may have been renamed, for the master and for its processes. */
int fr_generation_reopen_log(struct fr_generation *g, struct fr_diag *diag) FR_MUST_CHECK;

/* Ends what runs; on_gone follows, perhaps at once. */
void fr_generation_stop(struct fr_generation *g, bool graceful);

/* Whether none of its workers takes connections any more, as far as they have told. */
bool fr_generation_has_left(const struct fr_generation *g);

/* A child has ended and was not reaped yet: true if it was the loader, which is reaped then. */
bool fr_generation_loader_ended(struct fr_generation *g, pid_t pid);

/* What is gone, or was not started. */
void fr_generation_free(struct fr_generation *g);

#endif
