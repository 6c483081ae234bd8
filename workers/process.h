/*
 * What a worker's process is to others: to the master, who signals it and
 * gives it orders; to the processes that the application forks.
 *
 * Called by the worker's main function and by the spare; nothing is owned.
 * The main thread.
 */
#ifndef FR_WORKERS_PROCESS_H
#define FR_WORKERS_PROCESS_H

#include "workers/python.h"

#include <sys/types.h>

#include "master/heritage.h"

/* Before anything else: undoes what the fork left of the master's ways with signals. */
void fr_process_signals(void);

/*
 * From now on, a child that the application forks (os.fork, multiprocessing)
 * closes its copies of the listening sockets, of the clients' connections and
 * of the master's socket: a port is free, and a connection has ended, when the
 * server says so.  It also has the default actions for the signals that the
 * worker handles.  Once, when these are handled.  -1 with an exception.
 */
int fr_process_watch_forks(const struct fr_heritage *heritage);

/*
 * The next order, as recv() with MSG_DONTWAIT: 1, 0 at the master's end, -1
 * and errno.  FR_ORDER_REOPEN is obeyed here.
 */
ssize_t fr_process_order(const struct fr_heritage *heritage, char *ret_order);

/* The log goes to fd from now on, which is closed. */
void fr_process_take_log(const struct fr_heritage *heritage, int fd);

/* Ends this process and what else is in its group: nobody is left who would. */
void fr_process_end_group(void);

#endif
