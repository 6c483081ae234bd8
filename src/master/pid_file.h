/*
 * The file that holds the server's pid.
 *
 * Called by master.c.  What is written is removed again by who wrote it, and
 * by nobody else: another server may have been started with the same file.
 */
#ifndef FR_MASTER_PID_FILE_H
#define FR_MASTER_PID_FILE_H

#include "base/err.h"

/*
 * *at is where this process's pid is, NULL: nowhere; from now on it is at
 * path, which is copied, NULL: nowhere.  After an error all is as it was.
 */
int fr_pid_file_move(char **at, const char *path, struct fr_diag *diag) FR_MUST_CHECK;

/* The same with NULL, which can't fail. */
void fr_pid_file_remove(char **at);

#endif
