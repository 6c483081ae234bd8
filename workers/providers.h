/*
 * OpenTelemetry's global providers: how many have been set.
 *
 * Asked with every request, by program.c: a provider that is set while an
 * application serves is a reason to compile it again.  OpenTelemetry tells
 * nobody when that happens, so its modules' variables are looked at; where it
 * was never imported, that is a look-up that fails.  Needs the GIL.
 */
#ifndef FR_WORKERS_PROVIDERS_H
#define FR_WORKERS_PROVIDERS_H

#include "workers/state.h"

/* 0 to FR_NPROVIDERS; -1 and an exception. */
int fr_providers_set(struct fr_state *state);

#endif
