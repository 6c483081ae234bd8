/*
 * What a child inherits from the master, all of it.
 *
 * The master forks a worker with one struct fr_heritage; every other
 * descriptor is close-on-exec or closed.  The loader is executed afresh and
 * gets struct fr_loader_args on its command line.  master/ never links
 * against Python: main.c hands it the two entry points below.
 */
#ifndef FR_MASTER_HERITAGE_H
#define FR_MASTER_HERITAGE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/config.h"

/* A listening socket, opened by the master, shared by all workers. */
struct fr_listener {
	int fd;
	char *name; /* as configured */
	dev_t dev; /* the socket file that is ours, while it is there; 0: none */
	ino_t ino;
};

struct fr_board;

struct fr_heritage {
	const struct fr_config *config;
	const struct fr_listener *listeners;
	size_t nlisteners;
	int image_fd; /* sealed memfd */
	const struct fr_board *board; /* of this generation, mapped shared; may be NULL */
	size_t image_size;
	int master_fd; /* socket pair: reports out, orders in; end of file means the master died */
	int log_fd;
	bool spare; /* no worker yet: see struct fr_spare_order */
	unsigned worker; /* from 0; nothing for a spare */
	unsigned generation; /* from 1 */
	uint64_t hash_seed; /* of Python's hashes: the same in loader and workers */
	int master_pid;
};

/* A worker's reports on master_fd: one datagram each, this struct and then len bytes of text. */
enum fr_report_kind {
	FR_REPORT_READY = 1, /* lifespan start-up has ended: could accept */
	FR_REPORT_FAILED = 2, /* start-up failed; text says why (traceback) */
	FR_REPORT_PARKED =
		3, /* of a spare: it waits; text says why it can't be forked, or is empty */
	FR_REPORT_FORKED = 4, /* of a spare; the text is a struct fr_spare_forked */
};

struct fr_report {
	uint32_t kind;
	uint32_t len;
};

#define FR_REPORT_MAX 65536u
#define FR_SPARE_WHY 160 /* bytes of FR_REPORT_PARKED's reason, the terminator with them */

/* Names of the processes, as ps shows them. */
#define FR_WORKER_NAME "fastrapid-w%u"
#define FR_SPARE_NAME "fastrapid-spare"

/*
 * The master's orders on master_fd, one byte each.  A worker accepts nothing
 * before it was told to, so that a generation answers as a whole or not at all.
 * Retiring is an end without haste, for others go on serving: as SIGTERM, but
 * an idle connection stays until timeouts.idle, or until the answer to its
 * next request, which says "Connection: close".  Stopping is no signal, either:
 * a service manager sends SIGTERM to all processes, and a second one means haste.
 */
enum fr_order {
	FR_ORDER_ACCEPT = 'A',
	FR_ORDER_RETIRE = 'R',
	FR_ORDER_STOP = 'S', /* the server ends */
	FR_ORDER_HASTEN = 'H', /* to one that retires: cancels what still runs, and ends */
	FR_ORDER_REOPEN = 'L', /* comes with a descriptor: that of the log, opened anew */
};

/*
 * A spare is a worker up to the point where lifespan start-up would begin.
 * There it waits for struct fr_spare_order on master_fd, which comes with one
 * descriptor: the master_fd of the worker to be.  A spare that can be forked
 * makes that worker a child of the master and goes on waiting; another one
 * becomes the worker itself.  End of file ends it.
 */
struct fr_spare_order {
	uint32_t worker;
};

/* No worker: the descriptor is that of the log, opened anew. */
#define FR_SPARE_REOPEN UINT32_MAX

struct fr_spare_forked {
	uint32_t worker;
	int32_t pid; /* 0: it could not be forked */
};

/*
 * Seconds within which SIGTERM or SIGINT, sent again, means what it meant the
 * first time: timeout(1) signals its child and then the child's group, service
 * managers signal every process of a service.
 */
#define FR_SIGNALS_ARE_ONE 0.5

/* What a worker gets when the master dies; a worker that can't end within two seconds is ended. */
#define FR_ORPHAN_SIGNAL (SIGRTMAX - 1)

/*
 * Runs in the forked child, returns its exit code.  The child is in a process
 * group of its own, has dropped to user and group, has default actions for
 * all signals and none blocked, /dev/null as standard input, and no other
 * descriptors than those named here.  FR_ORDER_STOP and SIGTERM there mean:
 * stop accepting, finish the requests within timeouts.drain, run lifespan
 * shutdown, exit 0.  A second SIGTERM more than FR_SIGNALS_ARE_ONE later, or
 * SIGQUIT: at once.  SIGINT, SIGHUP, SIGUSR1 and SIGUSR2, which people send to
 * all of a server's processes: nothing.
 */
typedef int fr_worker_main_fn(const struct fr_heritage *heritage);

/*
 * Runs in a child that was executed as "fastrapid --loader"; writes the
 * manifest to manifest_fd; errors with traceback go to stderr.  Exit code 0,
 * or 1 (the application can't be loaded), or 2 (Python can't be started).
 */
struct fr_loader_args {
	const char *app; /* "module:attribute" */
	const char *app_dir;
	const char *python; /* may be NULL */
	const char *user; /* may be NULL; already dropped to */
	const char *group; /* may be NULL; already dropped to */
	uint64_t hash_seed;
	int manifest_fd;
	int serve_fastapi_imports;
};
typedef int fr_loader_main_fn(const struct fr_loader_args *args);

struct fr_entries {
	fr_worker_main_fn *worker;
	fr_loader_main_fn *loader;
	const char *python_version; /* of the libpython in this binary: "3.11.2" */
	const char *llhttp_version; /* "8.1.0" */
	const char *version; /* of fastrapid */
};

/* The daemon's main(): options, configuration, loader, crew.  Returns the exit code. */
int fr_master_main(int argc, char **argv, const struct fr_entries *entries);

#endif
