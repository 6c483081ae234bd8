/*
 * The master's side of a loader, on a loop of its own, for the tests of
 * loader.c and compile.c.
 *
 * The loader is this program, executed again: loader_tests() is its main
 * function in both roles.  The application's name says what it does.
 */
#ifndef FR_TESTS_LOADER_WORLD_H
#define FR_TESTS_LOADER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ev.h>
#include <stdbool.h>

#include "master/compile.h"

struct loader_world {
	struct ev_loop *loop;
	struct fr_config config; /* of the test's; app_dir is /tmp */
	int signal_fd;
	ev_io signals;
	ev_timer guard; /* a test that takes longer than this has failed */
	struct fr_loader *loader; /* that the signals are for */
	bool done;
	int err;
};

/* What the application does instead of the usual; runs in the loader. */
typedef int fake_loader_fn(const struct fr_loader_args *args);

int loader_tests(int argc, char **argv, fake_loader_fn *fake, const char *name,
                 const struct CMUnitTest *tests, size_t n);

void loader_world_init(struct loader_world *w, const char *app);
void loader_world_fini(struct loader_world *w);

/* Runs the loop until done, which on_done of the world notes. */
void loader_world_run(struct loader_world *w);
void loader_world_on_done(void *world, int err);

#endif
