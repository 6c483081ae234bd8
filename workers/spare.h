/*
 * The spare's side of master/heritage.h: a process that has imported the
 * application and waits to become a worker, or to be forked into workers.
 *
 * Called by the worker's main function, before there is a loop; owns nothing
 * once it has returned.  The main thread, with the GIL.
 */
#ifndef FR_WORKERS_SPARE_H
#define FR_WORKERS_SPARE_H

#include "workers/python.h"

#include "master/heritage.h"

#define FR_SPARE_FDS 1024

/* The descriptors that were open before anything of the application ran. */
struct fr_spare_fds {
	unsigned char open[FR_SPARE_FDS];
};

/* Before the interpreter starts. */
void fr_spare_look(struct fr_spare_fds *before);

/*
 * After the application was loaded.  Tells the master, waits, and returns
 * in each process that is to be a worker, with heritage's worker and
 * master_fd its own.  0; or -1, and an exception.  The spare itself never returns if it
 * can be forked: it ends with the master's end of its socket.
 */
int fr_spare_wait(struct fr_heritage *heritage, const struct fr_spare_fds *before);

#endif
