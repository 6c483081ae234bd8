#include "master/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "master/status_private.h"
#include "shm/hash.h"

/* ---- counts ---- */

int fr_counts_add(struct fr_counts *to, const struct fr_counts *from)
{
	to->requests += from->requests;
	to->errors += from->errors;
	to->us += from->us;
	to->in_flight += from->in_flight;
	for (int i = 0; i < 5; i++)
		to->classes[i] += from->classes[i];
	if (!from->buckets)
		return 0;
	if (!to->buckets && !(to->buckets = calloc(FR_BOARD_BUCKETS, sizeof *to->buckets)))
		return FR_ENOMEM;
	for (unsigned i = 0; i < FR_BOARD_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
	return 0;
}

void fr_counts_fini(struct fr_counts *c)
{
	free(c->buckets);
	*c = (struct fr_counts){ 0 };
}

int fr_watch_count(const struct fr_watch *w, uint32_t worker, uint32_t route, struct fr_counts *to)
{
	struct fr_board_route *r = &fr_board_routes(&w->board, worker)[route];
	struct fr_counts c = { .requests = FR_BOARD_GET(r->requests),
		               .errors = FR_BOARD_GET(r->errors),
		               .us = FR_BOARD_GET(r->us) };
	uint64_t buckets[FR_BOARD_BUCKETS];

	if (!c.requests && !c.errors)
		return 0;
	for (int i = 0; i < 5; i++)
		c.classes[i] = FR_BOARD_GET(r->classes[i]);
	/* Pages of routes that nobody asked for are not to be touched. */
	if (c.requests) {
		_Atomic uint64_t *b = fr_board_buckets(&w->board, worker, route);

		for (unsigned i = 0; i < FR_BOARD_BUCKETS; i++)
			buckets[i] = FR_BOARD_GET(b[i]);
		c.buckets = buckets;
	}
	return fr_counts_add(to, &c);
}

/* ---- names ---- */

const char *fr_status_method(uint32_t bit)
{
	static const char *const names[] = { "GET",     "HEAD",  "POST",    "PUT",
		                             "DELETE",  "PATCH", "OPTIONS", "TRACE",
		                             "CONNECT", "OTHER", "ANY",     "WEBSOCKET" };

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (bit == 1u << i)
			return names[i];
	return "OTHER";
}

static char *methods_of(const struct fr_image *image, const struct fr_route *route)
{
	const struct fr_str *names = FR_IMAGE_AT(image, route->method_names.off);
	size_t len = 4;
	char *text, *at;

	for (uint32_t i = 0; i < route->method_names.count; i++)
		len += names[i].len + 1;
	text = at = malloc(len);
	if (!text)
		return NULL;
	strcpy(text, route->method_names.count ? "" : "ANY");
	for (uint32_t i = 0; i < route->method_names.count; i++)
		at += sprintf(at, "%s%s", i ? "," : "", fr_str_in(image, names[i]));
	return text;
}

static uint64_t hash_of(const char *methods, const char *path)
{
	return fr_hash(fr_hash(0, methods, strlen(methods)), path, strlen(path));
}

/* A table of routes that are known, to find them by name: made for one fr_status_enter. */
struct index {
	uint32_t *at; /* 1 + place in status->routes; 0: empty */
	size_t mask;
};

static uint32_t *look_up(const struct fr_status *s, const struct index *index, const char *methods,
                         const char *path)
{
	size_t i = hash_of(methods, path) & index->mask;

	for (;; i = (i + 1) & index->mask) {
		const struct fr_status_route *r;

		if (!index->at[i])
			return &index->at[i];
		r = &s->routes[index->at[i] - 1];
		if (!strcmp(r->path, path) && !strcmp(r->methods, methods))
			return &index->at[i];
	}
}

static int make_index(const struct fr_status *s, size_t more, struct index *ret)
{
	size_t size = 16;

	while (size < (s->nroutes + more) * 2)
		size *= 2;
	ret->at = calloc(size, sizeof *ret->at);
	if (!ret->at)
		return FR_ENOMEM;
	ret->mask = size - 1;
	for (size_t i = FR_STATUS_FIRST; i < s->nroutes; i++)
		if (s->routes[i].path)
			*look_up(s, ret, s->routes[i].methods, s->routes[i].path) = (uint32_t)i + 1;
	return 0;
}

/* A free entry, from which on others may follow. */
static int free_entry(struct fr_status *s, size_t *from)
{
	struct fr_status_route *bigger;

	while (*from < s->nroutes && s->routes[*from].path)
		++*from;
	if (*from < s->nroutes)
		return 0;
	bigger = reallocarray(s->routes, s->nroutes * 2, sizeof *bigger);
	if (!bigger)
		return FR_ENOMEM;
	memset(bigger + s->nroutes, 0, s->nroutes * sizeof *bigger);
	s->routes = bigger;
	s->nroutes *= 2;
	return 0;
}

static int map_routes(struct fr_watch *w, const struct fr_image *image)
{
	const struct fr_route *routes = FR_IMAGE_AT(image, image->routes.off);
	struct fr_status *s = w->status;
	size_t from = FR_STATUS_FIRST;
	struct index index;
	int err;

	if ((err = make_index(s, image->routes.count, &index)) < 0)
		return err;
	for (uint32_t i = 0; i < image->routes.count && err == 0; i++) {
		const char *path = fr_str_in(image, routes[i].path);
		char *methods = methods_of(image, &routes[i]);
		uint32_t *at = methods ? look_up(s, &index, methods, path) : NULL;

		if (!at || (!*at && free_entry(s, &from) < 0)) {
			free(methods);
			err = FR_ENOMEM;
			break;
		}
		if (*at) {
			free(methods);
		} else {
			struct fr_status_route *r = &s->routes[from];

			r->methods = methods;
			r->path = strdup(path);
			r->endpoint = strdup(fr_str_in(image, routes[i].endpoint));
			if (!r->path || !r->endpoint) {
				free(r->methods);
				free(r->path);
				free(r->endpoint);
				*r = (struct fr_status_route){ 0 };
				err = FR_ENOMEM;
				break;
			}
			*at = (uint32_t)from + 1;
		}
		w->map[i] = *at - 1;
		s->routes[w->map[i]].users++;
	}
	free(index.at);
	return err;
}

static int map_places(struct fr_watch *w, const struct fr_image *image)
{
	const struct fr_route *routes = FR_IMAGE_AT(image, image->routes.off);

	for (uint32_t r = 0; r < image->routes.count; r++) {
		const struct fr_step *steps = FR_IMAGE_AT(image, routes[r].steps.off);

		w->place[r] = routes[r].kind == FR_ROUTE_PLAN ? FR_STATUS_ASYNC : FR_STATUS_ASGI;
		for (uint32_t i = 0; i < routes[r].steps.count; i++) {
			const struct fr_step *step = &steps[i];

			if ((step->op != FR_OP_CALL && step->op != FR_OP_ENDPOINT) ||
			    step->place >= image->nplaces)
				continue;
			if (step->op == FR_OP_ENDPOINT)
				w->place[r] = step->place;
			if (!w->place_names[step->place] &&
			    !(w->place_names[step->place] = strdup(fr_str_in(image, step->name))))
				return FR_ENOMEM;
		}
	}
	return 0;
}

/* ---- generations ---- */

/* A route that no generation has: its counts go to those of all such. */
static void release_route(struct fr_status *s, uint32_t at)
{
	struct fr_status_route *r = &s->routes[at];

	if (at < FR_STATUS_FIRST || --r->users)
		return;
	fr_counts_add(&s->routes[FR_STATUS_FORMER].counts, &r->counts);
	fr_counts_fini(&r->counts);
	free(r->methods);
	free(r->path);
	free(r->endpoint);
	*r = (struct fr_status_route){ 0 };
}

static void watch_free(struct fr_watch *w)
{
	for (uint32_t i = 0; w->map && i < w->board.nroutes; i++)
		release_route(w->status, w->map[i]);
	for (uint32_t i = 0; w->place_names && i < w->board.nplaces; i++)
		free(w->place_names[i]);
	free(w->map);
	free(w->place);
	free(w->place_names);
	fr_board_close(&w->board);
	free(w);
}

int fr_status_enter(struct fr_status *s, unsigned generation, const struct fr_image *image,
                    unsigned nworkers, uint32_t nflights, struct fr_watch **ret,
                    struct fr_diag *diag)
{
	struct fr_watch *w = calloc(1, sizeof *w);
	uint32_t n = image->routes.count;
	int err = FR_ENOMEM;

	if (!w)
		goto out;
	w->status = s;
	w->generation = generation;
	if ((err = fr_board_open(&w->board, nworkers, n, image->nplaces, nflights, diag)) < 0) {
		free(w);
		return err;
	}
	/* Zeroed: those that were not mapped when memory ended are FR_STATUS_NO_ROUTE. */
	w->map = calloc((size_t)n + 1, sizeof *w->map);
	w->place = calloc((size_t)n + 1, sizeof *w->place);
	w->place_names = calloc((size_t)image->nplaces + 1, sizeof *w->place_names);
	if (!w->map || !w->place || !w->place_names || map_routes(w, image) < 0 ||
	    map_places(w, image) < 0) {
		watch_free(w);
		err = FR_ENOMEM;
		goto out;
	}
	w->next = s->watches;
	s->watches = w;
	*ret = w;
	return 0;
out:
	return fr_diag_set(diag, err, "status", "out of memory");
}

const struct fr_board *fr_watch_board(const struct fr_watch *w)
{
	return &w->board;
}

/* ---- what a worker leaves ---- */

static void log_flights(const struct fr_watch *w, unsigned worker, pid_t pid, bool unexpected)
{
	struct fr_board_slot *slot = fr_board_slot(&w->board, worker);
	struct fr_board_flight *flights = fr_board_flights(&w->board, worker);
	uint32_t used = fr_board_flights_used(&w->board, worker);
	enum fr_level level = unexpected ? FR_ERROR : FR_WARNING;
	uint64_t all = FR_BOARD_GET(slot->in_flight), named = 0;
	char peer[FR_TRAFFIC_PEER];
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	for (uint32_t i = 0; i < used; i++) {
		struct fr_board_flight *f = &flights[i];
		uint64_t id = FR_BOARD_GET(f->id), begun = FR_BOARD_GET(f->begun_ns);
		uint32_t route = FR_BOARD_GET(f->route);

		if (!id)
			continue;
		named++;
		fr_log(level,
		       "worker %u (pid %d) took a request with it: %s %s, request %llu, begun %.3f "
		       "s before",
		       worker, (int)pid, fr_status_method(FR_BOARD_GET(f->method)),
		       route < w->board.nroutes ? w->status->routes[w->map[route]].path
		                                : "(no route)",
		       (unsigned long long)id, now > begun ? (double)(now - begun) / 1e9 : 0.);
	}
	w->status->lost += named;
	if (all > named && all < UINT32_MAX) {
		fr_log(level, "worker %u (pid %d) took %llu more requests with it", worker,
		       (int)pid, (unsigned long long)(all - named));
		w->status->lost += all - named;
	}
	/* Of a request that it had read and not yet taken apart, this is all that is known. */
	if (fr_traffic_peer(&slot->traffic, peer))
		fr_log(level, "worker %u (pid %d) was at the connection from %s", worker, (int)pid,
		       peer);
}

static void count_cause(struct fr_status *s, const char *how)
{
	size_t i = 0;

	s->restarts++;
	while (i < s->ncauses && strncmp(s->causes[i].how, how, sizeof s->causes[i].how - 1) != 0)
		i++;
	if (i == FR_STATUS_CAUSES)
		i = FR_STATUS_CAUSES - 1; /* so many kinds: the last stands for the rest */
	else if (i == s->ncauses)
		snprintf(s->causes[s->ncauses++].how, sizeof s->causes->how, "%s", how);
	s->causes[i].count++;
}

static void add_server(struct fr_status *s, struct fr_board_slot *slot)
{
	s->accepted += FR_BOARD_GET(slot->traffic.accepted);
	s->refused += FR_BOARD_GET(slot->traffic.refused);
	s->timeouts += FR_BOARD_GET(slot->traffic.timeouts);
	s->bytes_in += FR_BOARD_GET(slot->traffic.bytes_in);
	s->bytes_out += FR_BOARD_GET(slot->traffic.bytes_out);
}

void fr_watch_died(struct fr_watch *w, unsigned worker, pid_t pid, const char *how, bool unexpected)
{
	struct fr_status *s = w->status;
	struct fr_ring ring;

	if (unexpected)
		count_cause(s, how);
	if (worker >= w->board.nworkers)
		return;
	fr_status_drain(s);
	log_flights(w, worker, pid, unexpected);
	for (uint32_t r = 0; r <= w->board.nroutes; r++)
		fr_watch_count(w, worker, r, &s->routes[w->map[r]].counts);
	add_server(s, fr_board_slot(&w->board, worker));
	ring = fr_board_errors(&w->board, worker);
	s->dropped += fr_ring_dropped(&ring);
	fr_board_clear(&w->board, worker);
}

void fr_watch_spare(struct fr_watch *w, pid_t pid, const char *state, const char *why)
{
	w->spare.pid = pid;
	w->spare.state = state;
	snprintf(w->spare.why, sizeof w->spare.why, "%s", why);
	fr_status_clean(w->spare.why, strlen(w->spare.why));
}

void fr_status_leave(struct fr_watch *w)
{
	if (!w)
		return;
	for (struct fr_watch **at = &w->status->watches; *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			break;
		}
	}
	watch_free(w);
}

/* ---- reloads ---- */

static void reload_ended(struct fr_status *s, char *error)
{
	s->reloads++;
	s->reloads_failed += error != NULL;
	s->reloaded = ev_time();
	free(s->reload_error);
	s->reload_error = error;
}

void fr_status_serves(struct fr_status *s, unsigned generation)
{
	if (s->generation)
		reload_ended(s, NULL);
	s->generation = generation;
}

void fr_status_reload_failed(struct fr_status *s, const char *error)
{
	char *copy = strdup(error);

	if (copy) /* with the words of an application: any bytes, and perhaps cut within a character */
		fr_status_clean(copy, strlen(copy));
	reload_ended(s, copy ? copy : strdup(""));
}

/* ---- life ---- */

static void on_drain(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	fr_status_drain(timer->data);
}

struct fr_status *fr_status_new(struct ev_loop *loop, const char *version)
{
	struct fr_status *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->nroutes = 16;
	s->routes = calloc(s->nroutes, sizeof *s->routes);
	s->version = strdup(version ? version : "");
	if (!s->routes || !s->version) {
		free(s->routes);
		free(s->version);
		free(s);
		return NULL;
	}
	s->loop = loop;
	s->started = ev_time();
	ev_timer_init(&s->drain, on_drain, FR_STATUS_DRAIN, FR_STATUS_DRAIN);
	s->drain.data = s;
	ev_timer_start(loop, &s->drain);
	return s;
}

void fr_status_free(struct fr_status *s)
{
	if (!s)
		return;
	fr_status_stay(s);
	fr_status_move(s, NULL);
	ev_timer_stop(s->loop, &s->drain);
	for (struct fr_watch *w = s->watches, *next; w; w = next) {
		next = w->next;
		fr_status_leave(w);
	}
	for (size_t i = 0; i < s->nroutes; i++) {
		fr_counts_fini(&s->routes[i].counts);
		free(s->routes[i].methods);
		free(s->routes[i].path);
		free(s->routes[i].endpoint);
	}
	for (size_t i = 0; i < s->ngroups; i++) {
		free(s->groups[i].type);
		free(s->groups[i].place);
		free(s->groups[i].text);
		free(s->groups[i].request);
	}
	free(s->routes);
	free(s->version);
	free(s->reload_error);
	free(s);
}
