/*
 * The text of fastrapi.conf: JSON with comments, and where everything in it
 * stands.
 *
 * cJSON parses the values but keeps no positions, so the text is walked a
 * second time: the walk checks the grammar strictly, refuses duplicate keys,
 * and notes line and column of every key and value.  Comments are blanked in
 * place beforehand, so that positions stay those of the file.
 *
 * Called by config.c at start and reload, on the master's thread.  The text
 * belongs to the caller, the marks to the struct.
 */
#ifndef FR_MASTER_CONF_TEXT_H
#define FR_MASTER_CONF_TEXT_H

#include <stddef.h>

#include "base/err.h"

struct fr_conf_pos {
	unsigned line, column; /* from 1; columns count characters, not bytes */
};

/* One value: its path is "limits.uri" or "listen[2]". */
struct fr_conf_mark {
	char *path;
	struct fr_conf_pos key; /* of an array's element: its value */
	struct fr_conf_pos value;
	size_t at, len; /* the value's bytes in the text */
};

struct fr_conf_marks {
	struct fr_conf_mark *list;
	size_t count, capacity;
};

/* "FILE:LINE:COLUMN" into diag->where, the message as given; returns FR_EINVAL. */
enum fr_err fr_conf_error(struct fr_diag *diag, const char *file, struct fr_conf_pos pos,
                          const char *fmt, ...) FR_PRINTF(4, 5);

/* Overwrites comments in text with blanks; line ends stay.  FR_EINVAL: a comment has no end. */
int fr_conf_blank(char *text, size_t len, const char *file, struct fr_diag *diag) FR_MUST_CHECK;

/* Walks blanked text and fills ret_marks, which the caller ends with fr_conf_marks_fini. */
int fr_conf_walk(const char *text, size_t len, const char *file, struct fr_conf_marks *ret_marks,
                 struct fr_diag *diag) FR_MUST_CHECK;

/* The mark of a path, or NULL. */
const struct fr_conf_mark *fr_conf_find(const struct fr_conf_marks *marks, const char *path);

void fr_conf_marks_fini(struct fr_conf_marks *marks);

#endif
