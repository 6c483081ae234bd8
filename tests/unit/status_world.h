/* A status whose numbers the test makes up: one generation, two workers that are none. */
#ifndef FR_TESTS_STATUS_WORLD_H
#define FR_TESTS_STATUS_WORLD_H

#include <ev.h>

#include "master/status.h"

struct status_world {
	struct ev_loop *loop;
	struct fr_status *status;
	struct fr_watch *watch;
	const struct fr_board *board;
};

/* Routes: 0 is GET /items/{id}, 1 is POST /items; the requests are those of status_world.c. */
void status_world_init(struct status_world *w);
void status_world_fini(struct status_world *w);

/* Worker tells of an exception that nothing handled. */
void status_world_error(struct status_world *w, unsigned worker, const char *type,
                        const char *place, const char *text);

#endif
