/*
 * Where the master's children enter the Python side.
 *
 * Named by src/main.c only, which hands both to fr_master_main(): master/
 * itself links without Python.  Each runs in a process of its own, on its
 * main thread, and returns that process's exit code (see master/heritage.h).
 */
#ifndef FR_WORKERS_ENTRY_H
#define FR_WORKERS_ENTRY_H

#include "master/heritage.h"

fr_worker_main_fn fr_worker_main;
fr_loader_main_fn fr_loader_main;

#endif
