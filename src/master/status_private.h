/*
 * The inside of the status, shared by status*.c: what is kept, and how it is
 * added up.
 *
 * Owner: struct fr_status.  The master's thread.
 */
#ifndef FR_MASTER_STATUS_PRIVATE_H
#define FR_MASTER_STATUS_PRIVATE_H

#include <cjson/cJSON.h>

#include "master/heritage.h"
#include "master/listeners.h"
#include "master/status.h"

#define FR_STATUS_CAUSES 32
#define FR_STATUS_GROUPS 32
#define FR_STATUS_FLIGHTS 256 /* requests in flight that are shown, of each worker */
#define FR_STATUS_DRAIN 0.5 /* seconds between looks at the rings */

/* In place of a placement record. */
#define FR_STATUS_ASYNC (FR_NONE32 - 1)
#define FR_STATUS_ASGI FR_NONE32

/* The first two of the routes that are kept. */
enum { FR_STATUS_NO_ROUTE = 0, FR_STATUS_FORMER = 1, FR_STATUS_FIRST = 2 };

struct fr_counts {
	uint64_t requests, errors, classes[5], us, in_flight;
	uint64_t *buckets; /* NULL: all 0 */
};

struct fr_status_route {
	char *methods, *path; /* path NULL: the entry is free */
	char *endpoint;
	unsigned users; /* generations that have it */
	struct fr_counts counts; /* of workers that are gone */
};

struct fr_watch {
	struct fr_watch *next;
	struct fr_status *status;
	unsigned generation;
	struct fr_board board;
	uint32_t *map; /* nroutes + 1: its routes' places in status->routes */
	uint32_t *
		place; /* nroutes: of the endpoint, if it is a def; else FR_STATUS_ASYNC or _ASGI */
	char **place_names; /* nplaces */
	struct {
		pid_t pid; /* 0: not running */
		const char *state; /* NULL: there is none */
		char why[FR_SPARE_WHY]; /* it can't be forked */
	} spare;
};

struct fr_status_cause {
	char how[128];
	uint64_t count;
};

/* Errors of one type from one place. */
struct fr_status_group {
	char *type, *place, *text;
	char *request; /* "GET /users/{id}", of the last one */
	uint64_t count, id;
	unsigned pid;
	double first, last;
};

struct fr_server;

struct fr_status {
	struct ev_loop *loop;
	char *version;
	double started;
	struct fr_watch *watches;
	struct fr_status_route *routes;
	size_t nroutes;
	struct fr_status_cause causes[FR_STATUS_CAUSES];
	size_t ncauses;
	uint64_t restarts, lost, dropped;
	uint64_t accepted, refused, timeouts, bytes_in, bytes_out; /* of workers that are gone */
	struct fr_status_group groups[FR_STATUS_GROUPS];
	size_t ngroups;
	unsigned generation; /* that serves */
	uint64_t reloads, reloads_failed;
	double reloaded; /* when the last one ended; 0: none */
	char *reload_error; /* of the last one; NULL: it went well */
	ev_timer drain;
	struct fr_status_at {
		struct fr_server *server;
		struct fr_listeners listeners;
		char *address; /* NULL: nowhere */
	} now, next; /* next: of a generation that is on its way, if it is another */
};

int fr_counts_add(struct fr_counts *to, const struct fr_counts *from);
void fr_counts_fini(struct fr_counts *c);

/* Adds what worker's slot says of route; FR_ENOMEM: not all of it. */
int fr_watch_count(const struct fr_watch *w, uint32_t worker, uint32_t route, struct fr_counts *to);

/* Makes text for JSON of what a child wrote, whatever that is. */
void fr_status_clean(char *text, size_t len);

/* Takes the errors out of all rings. */
void fr_status_drain(struct fr_status *s);

const char *fr_status_method(uint32_t bit);

/* The tree of the JSON; NULL: out of memory. */
cJSON *fr_status_tree(struct fr_status *s);

#endif
