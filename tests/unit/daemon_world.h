/*
 * The daemon, with the fake application, seen from outside.
 *
 * The test program executes itself as the daemon, so that start, signals,
 * exit codes and sanitizer reports are those of a real process.
 */
#ifndef FR_TESTS_DAEMON_WORLD_H
#define FR_TESTS_DAEMON_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/types.h>

/* In the tests' folder; the log is what the daemon prints. */
extern char folder[], sock_path[64], listen_arg[80], pid_path[64], log_path[64];

/* The program's main: the tests, or the daemon that one of them executes. */
int daemon_tests(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t n);

/* ---- starting it ---- */

pid_t daemon_with(const char *const args[]);
pid_t daemon_of(const char *app, const char *workers); /* listens on listen_arg */
pid_t daemon_conf(const char *conf); /* relative names are in the folder */

/* ---- watching it ---- */

void nap(void);

/* The text of a file, until the next call; "": there is none. */
const char *slurp(const char *path);

/* Until the log says words, a minute at most. */
void wait_for(const char *words);
void has(const char *words); /* the log does by now */

/* The oldest child of the master, 0: none; name: only one that is called so. */
pid_t child_pid(pid_t master, const char *name);
pid_t worker_pid(pid_t master);

/* ---- its end ---- */

/* Waits for it; minus the signal that ended it. */
int exit_code(pid_t pid);

/* Nothing that the daemon started may be left, two seconds after it. */
void nobody_left(void);

/* It ends by itself, with that code and these words in the log, and leaves nothing. */
void exits(pid_t pid, int code, const char *words);

/* Ends it by SIGTERM; it must end well. */
void ends(pid_t pid);

#endif
