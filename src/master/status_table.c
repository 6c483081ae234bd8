/* The status as a table, for `fastrapid -s status`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "master/status_private.h"

#define MAX_TABLE (96u << 10) /* what the control socket hands over in one piece */
#define MAX_ROUTES 40
#define MAX_ERRORS 5

static double num(const cJSON *o, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *str(const cJSON *o, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static const cJSON *sub(const cJSON *o, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(o, name);
}

struct cell {
	char text[16];
};

/* A percentile of o's latencies, short ones to the microsecond; "-" before the first request. */
static struct cell latency(const cJSON *o, const char *name)
{
	const cJSON *all = sub(o, "latency");
	double ms = num(all, name);
	struct cell cell = { "-" };

	if (cJSON_IsObject(all))
		snprintf(cell.text, sizeof cell.text, "%.*f", ms < 10 ? 3 : 1, ms);
	return cell;
}

static int head(struct fr_buf *out, const cJSON *s)
{
	const cJSON *reload = sub(s, "reload"), *restarts = sub(s, "restarts"), *cause;
	long up = (long)num(s, "uptime"), hours = up / 3600;
	int err;

	err = fr_buf_printf(
		out,
		"fastrapid %s, pid %.0f, up %ld:%02ld:%02ld, generation %.0f\n"
		"%.0f requests, %.0f in flight, %.0f errors, %.0f refused, %.0f connections\n"
		"%.0f reloads, %.0f failed; %.0f restarts of workers, %.0f requests lost\n",
		str(s, "version"), num(s, "pid"), hours, up / 60 % 60, up % 60,
		num(s, "generation"), num(s, "requests"), num(s, "in_flight"), num(s, "errors"),
		num(s, "refused"), num(s, "connections"), num(reload, "count"),
		num(reload, "failed"), num(restarts, "total"), num(restarts, "requests_lost"));
	cJSON_ArrayForEach(cause, sub(restarts, "by_cause")) if (err == 0) err =
		fr_buf_printf(out, "  %.0f times a worker %s\n", cause->valuedouble, cause->string);
	if (err == 0 && cJSON_IsString(sub(reload, "error")))
		err = fr_buf_printf(out, "the last reload failed: %.2000s\n", str(reload, "error"));
	return err;
}

static int workers(struct fr_buf *out, const cJSON *s)
{
	const cJSON *w, *f;
	int err = fr_buf_printf(out, "\n%6s %7s %4s %-11s %10s %6s %5s %8s %8s %8s %7s %8s\n",
	                        "WORKER", "PID", "GEN", "STATE", "REQUESTS", "FLIGHT", "CONNS",
	                        "5XX", "P50 ms", "P99 ms", "RSS MB", "LAG ms");

	cJSON_ArrayForEach(w, sub(s, "workers"))
	{
		if (err == 0)
			err = fr_buf_printf(out,
			                    "%6.0f %7.0f %4.0f %-11s %10.0f %6.0f %5.0f %8.0f "
			                    "%8s %8s %7.1f %8.1f\n",
			                    num(w, "worker"), num(w, "pid"), num(w, "generation"),
			                    str(w, "state"), num(w, "requests"),
			                    num(w, "in_flight"), num(w, "connections"),
			                    num(sub(w, "status"), "5xx"), latency(w, "p50_ms").text,
			                    latency(w, "p99_ms").text, num(w, "rss_bytes") / 1e6,
			                    num(w, "loop_lag_ms"));
		cJSON_ArrayForEach(f, sub(w, "requests_in_flight")) if (err == 0 &&
		                                                        num(f, "seconds") >= 1)
			err = fr_buf_printf(out, "%14s since %.1f s: %s %s, request %.0f\n", "",
		                            num(f, "seconds"), str(f, "method"),
		                            *str(f, "route") ? str(f, "route") : "(no route)",
		                            num(f, "request"));
	}
	return err;
}

static int spares(struct fr_buf *out, const cJSON *s)
{
	const cJSON *spare;
	int err = 0;

	cJSON_ArrayForEach(spare, sub(s, "spares")) if (err == 0) err = fr_buf_printf(
		out, "%6s %7.0f %4.0f %-11s %*.1f%s%s\n", "spare", num(spare, "pid"),
		num(spare, "generation"), str(spare, "state"), 71, num(spare, "rss_bytes") / 1e6,
		*str(spare, "why") ? "\n  for one worker: " : "", str(spare, "why"));
	return err;
}

static int busiest_first(const void *a, const void *b)
{
	double x = num(*(const cJSON *const *)a, "requests");
	double y = num(*(const cJSON *const *)b, "requests");

	return (x < y) - (x > y);
}

static int routes(struct fr_buf *out, const cJSON *s)
{
	const cJSON *list = sub(s, "routes"), *r;
	size_t n = 0, count = (size_t)cJSON_GetArraySize(list);
	const cJSON **order = calloc(count + 1, sizeof *order);
	int err;

	if (!order)
		return FR_ENOMEM;
	cJSON_ArrayForEach(r, list) order[n++] = r;
	qsort(order, n, sizeof *order, busiest_first);
	err = fr_buf_printf(out, "\n%10s %6s %6s %6s %8s %8s %-9s %s\n", "REQUESTS", "4XX", "5XX",
	                    "ERRORS", "P50 ms", "P99 ms", "RUNS", "ROUTE");
	for (size_t i = 0; i < n && i < MAX_ROUTES && err == 0; i++) {
		const cJSON *classes = sub(order[i], "status");

		err = fr_buf_printf(out, "%10.0f %6.0f %6.0f %6.0f %8s %8s %-9s %s%s%s%s\n",
		                    num(order[i], "requests"), num(classes, "4xx"),
		                    num(classes, "5xx"), num(order[i], "errors"),
		                    latency(order[i], "p50_ms").text,
		                    latency(order[i], "p99_ms").text, str(order[i], "placement"),
		                    str(order[i], "methods"), *str(order[i], "methods") ? " " : "",
		                    str(order[i], "path"), str(order[i], "what"));
	}
	if (n > MAX_ROUTES && err == 0)
		err = fr_buf_printf(out, "and %zu more routes\n", n - MAX_ROUTES);
	free(order);
	return err;
}

static int errors(struct fr_buf *out, const cJSON *s)
{
	const cJSON *e;
	int n = 0, err = 0;

	cJSON_ArrayForEach(e, sub(s, "last_errors"))
	{
		if (err || n++ == MAX_ERRORS)
			break;
		err = fr_buf_printf(out, "\n%.0f times %s at %s, last %s by %s\n%s",
		                    num(e, "count"), str(e, "type"), str(e, "place"),
		                    str(e, "last"), str(e, "route"), str(e, "traceback"));
	}
	return err;
}

char *fr_status_table(struct fr_status *s)
{
	cJSON *tree = fr_status_tree(s);
	struct fr_buf out;
	int err;

	if (!tree)
		return NULL;
	fr_buf_init(&out, MAX_TABLE);
	err = head(&out, tree);
	if (err == 0)
		err = workers(&out, tree);
	if (err == 0)
		err = spares(&out, tree);
	if (err == 0)
		err = routes(&out, tree);
	if (err == 0)
		err = errors(&out, tree);
	cJSON_Delete(tree);
	/* What does not fit is left out at the end. */
	if (err < 0 && err != FR_ELIMIT) {
		fr_buf_fini(&out);
		return NULL;
	}
	return fr_buf_take(&out, NULL);
}
