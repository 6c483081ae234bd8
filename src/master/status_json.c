/* The status as JSON: numbers of those that are gone and of those that serve, added up when asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "master/status_private.h"

static const char *const places[] = { "probation", "inline", "threads" };

/* ---- small pieces; without memory the tree lacks something and `failed` is set ---- */

struct tree {
	struct fr_status *s;
	struct fr_counts *routes; /* s->nroutes */
	struct fr_counts all;
	uint64_t now_ns;
	double now;
	bool failed;
};

static cJSON *add(struct tree *t, cJSON *to, const char *name, cJSON *item)
{
	if (!item ||
	    !(name ? cJSON_AddItemToObject(to, name, item) : cJSON_AddItemToArray(to, item))) {
		cJSON_Delete(item);
		t->failed = true;
		return NULL;
	}
	return item;
}

static void number(struct tree *t, cJSON *to, const char *name, double value)
{
	add(t, to, name, cJSON_CreateNumber(value));
}

static void text(struct tree *t, cJSON *to, const char *name, const char *value)
{
	add(t, to, name, value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

/* Microsecond figures as milliseconds without noise. */
static double ms(double us)
{
	return (double)(uint64_t)(us + 0.5) / 1000.;
}

static double seconds(uint64_t ns)
{
	uint64_t us = ns / 1000;

	return (double)us / 1e6;
}

static double rounded(double s)
{
	return (double)(uint64_t)(s * 1000. + 0.5) / 1000.;
}

static void when(struct tree *t, cJSON *to, const char *name, double time)
{
	time_t whole = (time_t)time;
	struct tm tm;
	char out[32];

	gmtime_r(&whole, &tm);
	strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &tm);
	text(t, to, name, time > 0 ? out : NULL);
}

static void latency(struct tree *t, cJSON *to, const struct fr_counts *c)
{
	static const struct {
		const char *name;
		double share;
	} list[] = {
		{ "p50_ms", 0.5 }, { "p90_ms", 0.9 }, { "p99_ms", 0.99 }, { "p999_ms", 0.999 }
	};
	cJSON *o;

	if (!c->requests || !c->buckets) {
		add(t, to, "latency", cJSON_CreateNull());
		return;
	}
	o = add(t, to, "latency", cJSON_CreateObject());
	if (!o)
		return;
	number(t, o, "mean_ms", ms((double)c->us / (double)c->requests));
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		double us = fr_board_percentile(c->buckets, list[i].share);

		number(t, o, list[i].name, ms(us < 0 ? 0 : us));
	}
}

static void counts(struct tree *t, cJSON *to, const struct fr_counts *c)
{
	static const char *const names[] = { "1xx", "2xx", "3xx", "4xx", "5xx" };
	uint64_t answered = 0;
	cJSON *o;

	number(t, to, "requests", (double)c->requests);
	number(t, to, "errors", (double)c->errors);
	o = add(t, to, "status", cJSON_CreateObject());
	for (int i = 0; o && i < 5; i++) {
		number(t, o, names[i], (double)c->classes[i]);
		answered += c->classes[i];
	}
	/* Fields are read one by one: a class may be ahead of the sum for a moment. */
	if (o)
		number(t, o, "none", c->requests > answered ? (double)(c->requests - answered) : 0);
	latency(t, to, c);
}

/* ---- workers ---- */

static double rss_of(unsigned pid)
{
	unsigned long pages = 0, resident = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%u/statm", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &pages, &resident) != 2)
		resident = 0;
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void flights(struct tree *t, cJSON *to, const struct fr_watch *w, uint32_t worker)
{
	struct fr_board_flight *all = fr_board_flights(&w->board, worker);
	uint32_t used = fr_board_flights_used(&w->board, worker), shown = 0;
	cJSON *list = add(t, to, "requests_in_flight", cJSON_CreateArray());

	for (uint32_t i = 0; list && i < used; i++) {
		struct fr_board_flight *f = &all[i];
		uint64_t id = atomic_load_explicit(&f->id, memory_order_acquire);
		uint64_t begun = FR_BOARD_GET(f->begun_ns);
		uint32_t route = FR_BOARD_GET(f->route);
		cJSON *o;

		if (!id)
			continue;
		if (route > w->board.nroutes)
			route = w->board.nroutes;
		t->routes[w->map[route]].in_flight++;
		if (shown++ >= FR_STATUS_FLIGHTS || !(o = add(t, list, NULL, cJSON_CreateObject())))
			continue;
		text(t, o, "method", fr_status_method(FR_BOARD_GET(f->method)));
		text(t, o, "route", t->s->routes[w->map[route]].path);
		number(t, o, "request", (double)id);
		number(t, o, "seconds", t->now_ns > begun ? seconds(t->now_ns - begun) : 0);
	}
}

static void worker(struct tree *t, cJSON *list, const struct fr_watch *w, uint32_t i)
{
	static const char *const states[] = { "starting", "serving", "draining", "ended" };
	struct fr_board_slot *slot = fr_board_slot(&w->board, i);
	unsigned pid = FR_BOARD_GET(slot->pid), state = FR_BOARD_GET(slot->state);
	uint64_t due = FR_BOARD_GET(slot->due_ns), lag = FR_BOARD_GET(slot->lag_ns);
	uint64_t most = FR_BOARD_GET(slot->max_lag_ns);
	struct fr_counts sum = { 0 };
	cJSON *o;

	if (due && t->now_ns > due && t->now_ns - due > lag)
		lag = t->now_ns - due; /* it is stuck, or about to beat */
	for (uint32_t r = 0; r <= w->board.nroutes; r++) {
		struct fr_counts c = { 0 };

		if (fr_watch_count(w, i, r, &c) < 0 || fr_counts_add(&sum, &c) < 0 ||
		    fr_counts_add(&t->routes[w->map[r]], &c) < 0)
			t->failed = true;
		fr_counts_fini(&c);
	}
	sum.in_flight = FR_BOARD_GET(slot->in_flight);
	if (fr_counts_add(&t->all, &sum) < 0)
		t->failed = true;
	o = add(t, list, NULL, cJSON_CreateObject());
	if (o) {
		number(t, o, "worker", i);
		number(t, o, "generation", w->generation);
		if (pid)
			number(t, o, "pid", pid);
		else
			text(t, o, "pid", NULL);
		text(t, o, "state", !pid ? "not running" : state < 4 ? states[state] : "unknown");
		counts(t, o, &sum);
		number(t, o, "in_flight", (double)sum.in_flight);
		number(t, o, "connections", (double)FR_BOARD_GET(slot->traffic.connections));
		number(t, o, "rss_bytes", pid ? rss_of(pid) : 0);
		number(t, o, "loop_lag_ms", ms((double)lag / 1000.));
		number(t, o, "max_loop_lag_ms", ms((double)(most > lag ? most : lag) / 1000.));
		flights(t, o, w, i);
	}
	fr_counts_fini(&sum);
}

/* ---- spares ---- */

static void spare(struct tree *t, cJSON *list, const struct fr_watch *w)
{
	bool parked = w->spare.state && !strcmp(w->spare.state, "parked");
	cJSON *o = w->spare.state ? add(t, list, NULL, cJSON_CreateObject()) : NULL;

	if (!o)
		return;
	number(t, o, "generation", w->generation);
	if (w->spare.pid)
		number(t, o, "pid", w->spare.pid);
	else
		text(t, o, "pid", NULL);
	text(t, o, "state", w->spare.state);
	/* Not known before it has loaded. */
	add(t, o, "forkable", parked ? cJSON_CreateBool(!w->spare.why[0]) : cJSON_CreateNull());
	text(t, o, "why", w->spare.why[0] ? w->spare.why : NULL);
	number(t, o, "rss_bytes", w->spare.pid ? rss_of((unsigned)w->spare.pid) : 0);
}

static void spares(struct tree *t, cJSON *top)
{
	cJSON *list = add(t, top, "spares", cJSON_CreateArray());

	for (const struct fr_watch *w = t->s->watches; list && w; w = w->next)
		spare(t, list, w);
}

/* ---- routes ---- */

/* The board of the generation that serves; before the first does, of the one that starts. */
static const struct fr_watch *serving(const struct fr_status *s)
{
	const struct fr_watch *w = s->watches;

	while (w && w->next && w->generation != s->generation)
		w = w->next;
	return w;
}

/* Where the workers of w have a callable: the one word for all of them, or "mixed". */
static const char *placement(const struct fr_watch *w, uint32_t place, char ret_why[FR_BOARD_WHY])
{
	const char *word = NULL;

	*ret_why = '\0';
	for (uint32_t i = 0; i < w->board.nworkers; i++) {
		struct fr_board_place *p = &fr_board_places(&w->board, i)[place];
		char why[FR_BOARD_WHY];
		uint32_t state = fr_board_get_place(p, why);
		const char *mine = places[state < 3 ? state : 0];

		if (!FR_BOARD_GET(fr_board_slot(&w->board, i)->pid))
			continue;
		if (!word || !strcmp(word, mine))
			word = mine;
		else
			word = "mixed";
		if (*why)
			memcpy(ret_why, why, sizeof why);
	}
	return word ? word : places[0];
}

static void routes(struct tree *t, cJSON *top)
{
	cJSON *list = add(t, top, "routes", cJSON_CreateArray());
	const struct fr_watch *w = serving(t->s);
	const char **where = calloc(t->s->nroutes, sizeof *where);
	char why[FR_BOARD_WHY];

	if (!list || !where) {
		t->failed = true;
		free(where);
		return;
	}
	for (uint32_t r = 0; w && r < w->board.nroutes; r++)
		where[w->map[r]] = w->place[r] == FR_STATUS_ASGI ? "asgi"
		                   : w->place[r] == FR_STATUS_ASYNC
		                           ? "async"
		                           : placement(w, w->place[r], why);
	for (size_t i = 0; i < t->s->nroutes; i++) {
		const struct fr_status_route *r = &t->s->routes[i];
		const struct fr_counts *c = &t->routes[i];
		cJSON *o;

		if (!r->path && !c->requests && !c->errors && !c->in_flight)
			continue;
		if (!(o = add(t, list, NULL, cJSON_CreateObject())))
			break;
		text(t, o, "methods", r->methods);
		text(t, o, "path", r->path);
		if (!r->path)
			text(t, o, "what", i == FR_STATUS_NO_ROUTE ? "no route" : "former routes");
		text(t, o, "endpoint", r->endpoint);
		counts(t, o, c);
		number(t, o, "in_flight", (double)c->in_flight);
		text(t, o, "placement", where[i]);
	}
	free(where);
}

static void callables(struct tree *t, cJSON *top)
{
	cJSON *list = add(t, top, "placements", cJSON_CreateArray());
	const struct fr_watch *w = serving(t->s);

	for (uint32_t p = 0; list && w && p < w->board.nplaces; p++) {
		cJSON *o = add(t, list, NULL, cJSON_CreateObject());
		char why[FR_BOARD_WHY];
		const char *state = placement(w, p, why);

		if (!o)
			break;
		text(t, o, "callable", w->place_names[p]);
		text(t, o, "state", state);
		text(t, o, "why", why);
	}
}

/* ---- the rest ---- */

static void reloads(struct tree *t, cJSON *top)
{
	cJSON *o = add(t, top, "reload", cJSON_CreateObject());

	if (!o)
		return;
	number(t, o, "count", (double)t->s->reloads);
	number(t, o, "failed", (double)t->s->reloads_failed);
	when(t, o, "last", t->s->reloaded);
	text(t, o, "error", t->s->reload_error);
}

static void restarts(struct tree *t, cJSON *top)
{
	cJSON *o = add(t, top, "restarts", cJSON_CreateObject()), *causes;

	if (!o)
		return;
	number(t, o, "total", (double)t->s->restarts);
	number(t, o, "requests_lost", (double)t->s->lost);
	causes = add(t, o, "by_cause", cJSON_CreateObject());
	for (size_t i = 0; causes && i < t->s->ncauses; i++)
		number(t, causes, t->s->causes[i].how, (double)t->s->causes[i].count);
}

static int newest_first(const void *a, const void *b)
{
	const struct fr_status_group *x = *(struct fr_status_group *const *)a;
	const struct fr_status_group *y = *(struct fr_status_group *const *)b;

	return (x->last < y->last) - (x->last > y->last);
}

static void errors(struct tree *t, cJSON *top)
{
	struct fr_status *s = t->s;
	struct fr_status_group *order[FR_STATUS_GROUPS] = { 0 };
	cJSON *list = add(t, top, "last_errors", cJSON_CreateArray());

	for (size_t i = 0; i < s->ngroups; i++)
		order[i] = &s->groups[i];
	qsort(order, s->ngroups, sizeof *order, newest_first);
	for (size_t i = 0; list && i < s->ngroups; i++) {
		const struct fr_status_group *g = order[i];
		cJSON *o = add(t, list, NULL, cJSON_CreateObject());

		if (!o)
			break;
		text(t, o, "type", g->type);
		text(t, o, "place", g->place);
		number(t, o, "count", (double)g->count);
		text(t, o, "route", g->request);
		number(t, o, "pid", g->pid);
		number(t, o, "request", (double)g->id);
		when(t, o, "first", g->first);
		when(t, o, "last", g->last);
		text(t, o, "traceback", g->text);
	}
}

/* What net counted, of those that are gone and those that serve. */
static void server(struct tree *t, cJSON *top)
{
	const struct fr_status *s = t->s;
	uint64_t connections = 0, accepted = s->accepted, refused = s->refused,
		 dropped = s->dropped;
	uint64_t timeouts = s->timeouts, in = s->bytes_in, out = s->bytes_out;

	for (const struct fr_watch *w = s->watches; w; w = w->next) {
		for (uint32_t i = 0; i < w->board.nworkers; i++) {
			struct fr_board_slot *slot = fr_board_slot(&w->board, i);
			struct fr_ring ring = fr_board_errors(&w->board, i);

			connections += FR_BOARD_GET(slot->traffic.connections);
			accepted += FR_BOARD_GET(slot->traffic.accepted);
			refused += FR_BOARD_GET(slot->traffic.refused);
			timeouts += FR_BOARD_GET(slot->traffic.timeouts);
			in += FR_BOARD_GET(slot->traffic.bytes_in);
			out += FR_BOARD_GET(slot->traffic.bytes_out);
			dropped += fr_ring_dropped(&ring);
		}
	}
	number(t, top, "in_flight", (double)t->all.in_flight);
	number(t, top, "connections", (double)connections);
	number(t, top, "accepted", (double)accepted);
	number(t, top, "refused", (double)refused);
	number(t, top, "timeouts", (double)timeouts);
	number(t, top, "bytes_in", (double)in);
	number(t, top, "bytes_out", (double)out);
	number(t, top, "errors_dropped", (double)dropped);
}

/* Workers are added up while they are written; so they are made first, and shown after the totals. */
static void fill(struct tree *t, cJSON *top)
{
	struct fr_status *s = t->s;
	cJSON *workers = cJSON_CreateArray();

	for (size_t i = 0; i < s->nroutes; i++)
		if (fr_counts_add(&t->routes[i], &s->routes[i].counts) < 0 ||
		    fr_counts_add(&t->all, &s->routes[i].counts) < 0)
			t->failed = true;
	for (const struct fr_watch *w = s->watches; workers && w; w = w->next)
		for (uint32_t i = 0; i < w->board.nworkers; i++)
			worker(t, workers, w, i);
	text(t, top, "version", s->version);
	number(t, top, "pid", getpid());
	number(t, top, "uptime", rounded(t->now - s->started));
	number(t, top, "generation", s->generation);
	reloads(t, top);
	restarts(t, top);
	counts(t, top, &t->all);
	server(t, top);
	add(t, top, "workers", workers);
	spares(t, top);
	routes(t, top);
	callables(t, top);
	errors(t, top);
}

cJSON *fr_status_tree(struct fr_status *s)
{
	struct tree t = { .s = s, .now = ev_time() };
	cJSON *top = cJSON_CreateObject();
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	t.now_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	t.routes = calloc(s->nroutes, sizeof *t.routes);
	fr_status_drain(s);
	if (top && t.routes)
		fill(&t, top);
	if (!t.routes || t.failed) {
		cJSON_Delete(top);
		top = NULL;
	}
	for (size_t i = 0; t.routes && i < s->nroutes; i++)
		fr_counts_fini(&t.routes[i]);
	fr_counts_fini(&t.all);
	free(t.routes);
	return top;
}

char *fr_status_json(struct fr_status *s)
{
	cJSON *tree = fr_status_tree(s);
	char *out = tree ? cJSON_PrintUnformatted(tree) : NULL;

	cJSON_Delete(tree);
	return out;
}
