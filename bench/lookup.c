/*
 * The route lookup by itself: nanoseconds for 10, 1,000 and 10,000 routes,
 * static and with parameters.
 *
 * Every size is asked for the same number of request paths, drawn at random
 * from all of its routes, so that a big table is really used and the
 * requests themselves cost the same.  In a turn the sizes alternate in short
 * bursts, of which the fastest counts: a burst in which something else ran
 * says nothing.  Printed are the medians of the turns, and the median of each
 * turn's ratio to 10 routes.
 *
 *   bench/lookup [turns]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shm/builder.h"
#include "shm/route.h"
#include "shm/verify.h"

#define SIZES 3
#define MAX_TURNS 99
#define REQUESTS 16384u
#define REQUEST_BYTES 64
#define ROUNDS 4u /* of the requests in one burst */
#define BURSTS 12 /* of each size in one turn */

static const unsigned sizes[SIZES] = { 10, 1000, 10000 };

struct subject {
	struct fr_image_buf image;
	char (*requests)[REQUEST_BYTES];
	unsigned char *lens;
	double ns[MAX_TURNS], ratio[MAX_TURNS];
	unsigned probes; /* of one lookup */
};

static unsigned random_below(unsigned n)
{
	static unsigned long long state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % n;
}

static char *make_manifest(unsigned n, int params)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	fputs("{\"version\": 1, \"app\": {\"name\": \"main:app\", \"redirect_slashes\": true, "
	      "\"wrapped\": false, \"debug\": false, \"root_path\": \"\", \"middleware\": [], "
	      "\"handlers\": [], \"last_handler\": null}, \"places\": 0, "
	      "\"objects\": [\"thing\"], \"routes\": [",
	      out);
	for (unsigned i = 0; i < n; i++) {
		fprintf(out,
		        "%s{\"kind\": \"plan\", \"path\": \"/api/v1/resource%u\", \"pattern\": "
		        "[[\"lit\", \"api\"], [\"lit\", \"v1\"], [\"lit\", \"resource%u\"]%s], "
		        "\"side\": null, \"methods\": [\"GET\"], \"name\": \"r\", "
		        "\"endpoint\": \"main.r\", \"file\": \"/srv/app/main.py\", \"line\": 1, "
		        "\"object\": 0, \"params\": %s, \"status\": 0, \"body\": \"none\", "
		        "\"strict_content_type\": true, \"max_body\": null, \"why\": null, "
		        "\"slots\": 1, \"marks\": 0, \"caches\": 0, \"steps\": [{\"op\": "
		        "\"endpoint\", \"name\": \"main.r\", \"object\": 0, \"mode\": \"async\", "
		        "\"slot\": 0}, {\"op\": \"respond\", \"mode\": \"encoder\", \"slot\": 0}]}",
		        i ? "," : "", i, i,
		        params ? ", [\"int\", \"id\"], [\"lit\", \"parts\"], [\"str\", \"part\"]"
		               : "",
		        params ? "[\"id\", \"part\"]" : "[]");
	}
	fputs("]}", out);
	fclose(out);
	return text;
}

static void prepare(struct subject *s, unsigned n, int params)
{
	char *text = make_manifest(n, params);
	struct fr_diag diag = { 0 };

	if (fr_image_build(text, strlen(text), 12345, &s->image, &diag) < 0 ||
	    fr_image_verify(s->image.image, s->image.size, &diag) < 0) {
		fprintf(stderr, "%s: %s\n", diag.where, diag.message);
		exit(1);
	}
	free(text);
	s->requests = calloc(REQUESTS, sizeof *s->requests);
	s->lens = calloc(REQUESTS, 1);
	if (!s->requests || !s->lens)
		abort();
	for (unsigned i = 0; i < REQUESTS; i++) {
		unsigned route = random_below(n);

		s->lens[i] = (unsigned char)snprintf(
			s->requests[i], REQUEST_BYTES,
			params ? "/api/v1/resource%u/%u/parts/%x" : "/api/v1/resource%u", route,
			random_below(100000), random_below(100000));
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double run(struct subject *s)
{
	const struct fr_span get = { "GET", 3 };
	struct fr_match m;
	unsigned found = 0;
	double start = now(), ns;

	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < REQUESTS; i++) {
			(void)fr_route_find(s->image.image, FR_GET, get, s->requests[i], s->lens[i],
			                    NULL, NULL, &m);
			found += m.kind == FR_MATCH_FULL;
		}
	ns = (now() - start) / ROUNDS / REQUESTS;
	if (found != ROUNDS * REQUESTS) {
		fprintf(stderr, "%u of %u requests matched\n", found, ROUNDS * REQUESTS);
		exit(1);
	}
	s->probes = m.probes;
	return ns;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void take_turn(struct subject *subjects, int turn)
{
	for (int i = 0; i < SIZES; i++)
		subjects[i].ns[turn] = run(&subjects[i]);
	for (int burst = 1; burst < BURSTS; burst++)
		for (int i = 0; i < SIZES; i++) {
			double ns = run(&subjects[i]);

			if (ns < subjects[i].ns[turn])
				subjects[i].ns[turn] = ns;
		}
	for (int i = 0; i < SIZES; i++)
		subjects[i].ratio[turn] = subjects[i].ns[turn] / subjects[0].ns[turn];
}

static void measure(const char *name, int params, int turns)
{
	struct subject subjects[SIZES] = { 0 };

	for (int i = 0; i < SIZES; i++)
		prepare(&subjects[i], sizes[i], params);
	for (int turn = 0; turn < turns; turn++)
		take_turn(subjects, turn);
	for (int i = 0; i < SIZES; i++) {
		struct subject *s = &subjects[i];

		qsort(s->ns, (size_t)turns, sizeof *s->ns, by_value);
		qsort(s->ratio, (size_t)turns, sizeof *s->ratio, by_value);
		printf("%-7s %7u %9.1f %9.1f %9.1f %7.2f %7u %11zu\n", name, sizes[i],
		       s->ns[turns / 2], s->ns[0], s->ns[turns - 1], s->ratio[turns / 2], s->probes,
		       s->image.size);
		fr_image_buf_fini(&s->image);
		free(s->requests);
		free(s->lens);
	}
}

int main(int argc, char **argv)
{
	int turns = argc > 1 ? atoi(argv[1]) : 5;

	if (turns < 1 || turns > MAX_TURNS) {
		fprintf(stderr, "usage: lookup [turns, 1 to %d]\n", MAX_TURNS);
		return 2;
	}
	printf("%-7s %7s %9s %9s %9s %7s %7s %11s\n", "paths", "routes", "ns median", "min", "max",
	       "ratio", "probes", "image bytes");
	measure("static", 0, turns);
	measure("params", 1, turns);
	return 0;
}
