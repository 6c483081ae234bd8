/*
 * The log: one line an event, escaped, to one descriptor.
 *
 * "2026-11-22T10:00:00.123Z level [pid] message".  Bytes outside printable
 * ASCII and valid UTF-8 are written as \xNN, so that nothing a peer sends can
 * forge a line; text given to fr_log_text keeps its newlines (tracebacks),
 * each further line indented.  A write that fails is dropped: a full disk
 * must not stop the server; the first line that can be written again comes
 * after one that says how many this process has lost.  Any thread.
 */
#ifndef FR_BASE_LOG_H
#define FR_BASE_LOG_H

#include <stddef.h>

#include "base/err.h"

enum fr_level { FR_DEBUG, FR_INFO, FR_WARNING, FR_ERROR };

/* Where to and from which level on; fd is not owned.  Before: standard error, info. */
void fr_log_init(int fd, enum fr_level level);

int fr_log_enabled(enum fr_level level);

void fr_log(enum fr_level level, const char *fmt, ...) FR_PRINTF(2, 3);

/* A message, then text of several lines. */
void fr_log_text(enum fr_level level, const char *text, size_t len, const char *fmt, ...)
	FR_PRINTF(4, 5);

#endif
