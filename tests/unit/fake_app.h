/*
 * An application that knows no Python: its name, "fake:...", says how the
 * loader, the workers and the spare behave.  They run in processes of their
 * own, as the daemon's do.
 */
#ifndef FR_TESTS_FAKE_APP_H
#define FR_TESTS_FAKE_APP_H

#include "master/heritage.h"

/* Reports of "fake:chatters", before the one that counts. */
#define FAKE_CHATTER 200

extern const struct fr_entries fake_entries;

#endif
