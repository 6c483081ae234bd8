/* The rings' errors, grouped by type and place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "master/status_private.h"

#define MAX_MESSAGE (sizeof(struct fr_board_error) + 1024 + FR_BOARD_ERROR_TEXT)

void fr_status_clean(char *text, size_t len)
{
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		step = fr_utf8_len(text + i, len - i);
		if (!step || !text[i]) {
			text[i] = '?';
			step = 1;
		}
	}
}

static char *clean(const char *text, size_t len)
{
	char *out = malloc(len + 1);

	if (!out)
		return NULL;
	memcpy(out, text, len);
	out[len] = 0;
	fr_status_clean(out, len);
	return out;
}

static void group_fini(struct fr_status_group *g)
{
	free(g->type);
	free(g->place);
	free(g->text);
	free(g->request);
	*g = (struct fr_status_group){ 0 };
}

/* The group of type and place, or a new one, perhaps in the place of the one that was quiet for longest. */
static struct fr_status_group *find_group(struct fr_status *s, const char *type, const char *place)
{
	struct fr_status_group *oldest = &s->groups[0];

	for (size_t i = 0; i < s->ngroups; i++) {
		struct fr_status_group *g = &s->groups[i];

		if (!strcmp(g->type, type) && !strcmp(g->place, place))
			return g;
		if (g->last < oldest->last)
			oldest = g;
	}
	if (s->ngroups < FR_STATUS_GROUPS)
		return &s->groups[s->ngroups++];
	group_fini(oldest);
	return oldest;
}

static void add_error(const struct fr_watch *w, unsigned pid, const char *message, size_t len)
{
	struct fr_status *s = w->status;
	struct fr_status_group *g;
	struct fr_board_error e;
	char *type, *place, *text, *request = NULL;

	if (len < sizeof e)
		return;
	memcpy(&e, message, sizeof e);
	message += sizeof e;
	len -= sizeof e;
	if (e.type_len > 512 || e.place_len > 512 || e.text_len > FR_BOARD_ERROR_TEXT ||
	    (size_t)e.type_len + e.place_len + e.text_len != len)
		return;
	type = clean(message, e.type_len);
	place = clean(message + e.type_len, e.place_len);
	text = clean(message + e.type_len + e.place_len, e.text_len);
	if (asprintf(&request, "%s %s", fr_status_method(e.method),
	             e.route < w->board.nroutes ? s->routes[w->map[e.route]].path : "(no route)") <
	    0)
		request = NULL;
	if (!type || !place || !text || !request) {
		free(type);
		free(place);
		free(text);
		free(request);
		return;
	}
	g = find_group(s, type, place);
	if (!g->type) {
		g->type = type;
		g->place = place;
		g->text = text;
		g->first = ev_time();
	} else {
		free(type);
		free(place);
		free(text);
	}
	free(g->request);
	g->request = request;
	g->count++;
	g->id = e.id;
	g->pid = pid;
	g->last = ev_time();
}

void fr_status_drain(struct fr_status *s)
{
	static char message[MAX_MESSAGE];

	for (struct fr_watch *w = s->watches; w; w = w->next) {
		for (uint32_t i = 0; i < w->board.nworkers; i++) {
			struct fr_ring ring = fr_board_errors(&w->board, i);
			unsigned pid = FR_BOARD_GET(fr_board_slot(&w->board, i)->pid);
			long n;

			if (!pid)
				continue;
			/* Bounded: a worker may write while we read. */
			for (int k = 0; k < 256; k++) {
				n = fr_ring_read(&ring, message, sizeof message);
				if (n == FR_EAGAIN)
					break;
				if (n > 0)
					add_error(w, pid, message, (size_t)n);
			}
		}
	}
}
