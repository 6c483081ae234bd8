/*
 * The control socket: how `fastrapid -s COMMAND` talks to a running master.
 *
 * A Unix socket of mode 0600.  A client sends one word and a newline, and gets
 * "." at once: it was heard.  The
 * answer is "0" (done) or "1" (failed), then text to be printed, then the end.
 * An answer may come late: that of a reload when its outcome is known, that of
 * a stop at the very end.  The server's side runs on the master's loop and
 * owns socket file and clients; the client's side blocks.
 */
#ifndef FR_MASTER_CONTROL_H
#define FR_MASTER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <ev.h>

#include "base/err.h"

#define FR_CONTROL_WORD 32u /* bytes of a command, newline included */
#define FR_CONTROL_CLIENTS 32u

struct fr_control;

struct fr_control_client {
	struct fr_control *control;
	struct fr_control_client *next;
	ev_io io;
	ev_timer limit; /* until the command is there */
	char word[FR_CONTROL_WORD];
	size_t len;
	bool asked; /* the command is there, the answer is not */
	unsigned long waits_for; /* the owner's */
};

/* A command has come; answer it now or later. */
typedef void fr_control_fn(void *data, struct fr_control_client *client, const char *word);

struct fr_control {
	struct ev_loop *loop;
	char *path; /* NULL: not open */
	int fd;
	dev_t dev; /* which file path is */
	ino_t ino;
	ev_io io;
	ev_timer pause; /* descriptors have run out */
	struct fr_control_client *clients;
	unsigned nclients;
	fr_control_fn *on_command;
	void *data;
};

/* Listens on path.  What was open before is not touched: open another struct, then fr_control_move. */
int fr_control_open(struct fr_control *control, struct ev_loop *loop, const char *path,
                    fr_control_fn *on_command, void *data, struct fr_diag *diag) FR_MUST_CHECK;

/* Closes to's socket, and lets it listen on from's; to's clients stay. */
void fr_control_move(struct fr_control *to, struct fr_control *from);

/* Answers and forgets the client. */
void fr_control_answer(struct fr_control_client *client, bool done, const char *text);

/* Ends everything; unanswered clients see the end. */
void fr_control_close(struct fr_control *control);

/*
 * The client's side: sends word, prints the answer, returns the exit code.
 * FR_ENOENT: nobody listens there.  FR_ETIMEOUT: somebody does, and doesn't
 * hear.  FR_ECORRUPT: it is no control socket.
 */
int fr_control_ask(const char *path, const char *word, int *ret_code,
                   struct fr_diag *diag) FR_MUST_CHECK;

/*
 * A socket that a process listens on, and that by its file's mode may be a
 * control socket; the next one if skip were none.  NULL: it has no more.
 * free() it.
 */
char *fr_control_find(pid_t pid, unsigned skip);

#endif
