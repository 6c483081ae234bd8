#include "workers/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workers/errors.h"
#include "workers/place.h"
#include "workers/program.h"

/* The board of this process, for what is told to no struct of ours. */
static struct fr_wboard *mine;

void fr_wboard_init(struct fr_wboard *b, const struct fr_board *board, uint32_t worker,
                    uint32_t generation)
{
	void *lists;

	*b = (struct fr_wboard){ .board = *board, .worker = worker };
	b->slot = fr_board_slot(board, worker);
	b->routes = fr_board_routes(board, worker);
	b->buckets = fr_board_buckets(board, worker, 0);
	b->errors = fr_board_errors(board, worker);
	b->flights = fr_board_flights(board, worker);
	/* For good, and pages that nobody touches cost nothing: most entries are never used. */
	lists = mmap(NULL, 2 * sizeof *b->free * b->board.nflights, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (lists == MAP_FAILED)
		b->board.nflights = 0;
	b->free = lists;
	b->landing = b->free + b->board.nflights;
	FR_BOARD_PUT(b->slot->pid, (uint32_t)getpid());
	FR_BOARD_PUT(b->slot->generation, generation);
	FR_BOARD_PUT(b->slot->state, FR_BOARD_STARTING);
	atomic_store_explicit(&b->slot->version, FR_BOARD_VERSION, memory_order_release);
}

void fr_wboard_state(struct fr_wboard *b, enum fr_board_state state)
{
	if (b->slot)
		FR_BOARD_PUT(b->slot->state, (uint32_t)state);
}

/* ---- programs that were made since ---- */

static bool same_text(const struct fr_image *a, struct fr_str x, const struct fr_image *b,
                      struct fr_str y)
{
	return x.len == y.len && memcmp(fr_str_in(a, x), fr_str_in(b, y), x.len) == 0;
}

/* As the master's totals have it: methods and path make a route. */
static bool same_route(const struct fr_image *a, const struct fr_route *x, const struct fr_image *b,
                       const struct fr_route *y)
{
	const struct fr_str *xs = FR_IMAGE_AT(a, x->method_names.off);
	const struct fr_str *ys = FR_IMAGE_AT(b, y->method_names.off);

	if (x->methods != y->methods || x->method_names.count != y->method_names.count ||
	    !same_text(a, x->path, b, y->path))
		return false;
	for (uint32_t i = 0; i < x->method_names.count; i++)
		if (!same_text(a, xs[i], b, ys[i]))
			return false;
	return true;
}

static void number_routes(const struct fr_image *sealed, const struct fr_image *later,
                          uint32_t *numbers)
{
	const struct fr_route *theirs = FR_IMAGE_AT(later, later->routes.off);
	const struct fr_route *ours = FR_IMAGE_AT(sealed, sealed->routes.off);
	uint32_t n = sealed->routes.count, next = 0; /* most follow each other here, too */

	for (uint32_t i = 0; i < later->routes.count; i++) {
		numbers[i] = FR_NONE32;
		for (uint32_t k = 0; k < n && numbers[i] == FR_NONE32; k++)
			if (same_route(later, &theirs[i], sealed, &ours[(next + k) % n]))
				numbers[i] = (next + k) % n;
		if (numbers[i] != FR_NONE32)
			next = numbers[i] + 1;
	}
}

static bool has_place(const struct fr_step *s)
{
	return s->place != FR_NONE32 && (s->op == FR_OP_CALL || s->op == FR_OP_ENDPOINT);
}

/* A callable is the same object in both. */
static void number_places(const struct fr_program *sealed, const struct fr_program *later,
                          uint32_t *numbers)
{
	const struct fr_step *theirs = FR_IMAGE_AT(later->image, later->image->steps.off);
	const struct fr_step *ours = FR_IMAGE_AT(sealed->image, sealed->image->steps.off);
	uint32_t n = sealed->image->steps.count, next = 0;

	for (uint32_t i = 0; i < later->nplaces; i++)
		numbers[i] = FR_NONE32;
	for (uint32_t i = 0; i < later->image->steps.count; i++) {
		if (!has_place(&theirs[i]) || numbers[theirs[i].place] != FR_NONE32)
			continue;
		for (uint32_t k = 0; k < n; k++) {
			const struct fr_step *s = &ours[(next + k) % n];

			if (!has_place(s) || s->sync != theirs[i].sync ||
			    fr_program_object(sealed, s->object) !=
			            fr_program_object(later, theirs[i].object))
				continue;
			numbers[theirs[i].place] = s->place;
			next = (uint32_t)(s - ours) + 1;
			break;
		}
	}
}

static void forget_later(struct fr_wboard *b)
{
	fr_program_unref(b->later);
	free(b->numbers);
	b->later = NULL;
	b->numbers = NULL;
}

uint32_t fr_wboard_number(struct fr_wboard *b, struct fr_program *program, uint32_t route)
{
	if (!b || program == b->program || route == FR_NONE32)
		return route;
	if (program != b->later) {
		uint32_t routes = program->image->routes.count;

		forget_later(b);
		b->numbers = calloc(routes + (size_t)program->nplaces + 1, sizeof *b->numbers);
		if (!b->numbers)
			return FR_NONE32;
		b->later = fr_program_ref(program);
		number_routes(b->program->image, program->image, b->numbers);
		number_places(b->program, program, b->numbers + routes);
	}
	return b->numbers[route];
}

/* ---- placements ---- */

static void put_place(struct fr_wboard *b, uint32_t index)
{
	struct fr_board_place *p = &fr_board_places(&b->board, b->worker)[index];
	const struct fr_place *place = &b->program->places[index];

	if (index >= b->board.nplaces)
		return;
	fr_board_put_place(p, place->state, place->why);
	FR_BOARD_ADD(b->slot->verdicts, 1);
}

static void on_verdict(struct fr_program *program, uint32_t place, uint32_t state)
{
	struct fr_wboard *b = mine;

	(void)state;
	if (b && program == b->later) {
		uint32_t number = b->numbers[program->image->routes.count + place];

		if (number == FR_NONE32)
			return;
		b->program->places[number].state = program->places[place].state;
		b->program->places[number].why = program->places[place].why;
		place = number;
	} else if (!b || program != b->program) {
		return;
	}
	put_place(b, place);
}

/* A worker that saw a callable need a thread is right; else the first one that saw it short. */
static void take_place(struct fr_wboard *b, uint32_t index)
{
	uint32_t now = b->program->places[index].state, best = now;

	if (b->program->places[index].fixed)
		return;
	for (uint32_t w = 0; w < b->board.nworkers && best != FR_PLACED_THREADS; w++) {
		struct fr_board_place *p = &fr_board_places(&b->board, w)[index];
		uint32_t state = atomic_load_explicit(&p->state, memory_order_acquire);

		if (w != b->worker && (state == FR_PLACED_THREADS ||
		                       (state == FR_PLACED_INLINE && best == FR_PLACED_PROBATION)))
			best = state;
	}
	if (best == now)
		return;
	fr_place_take_verdict(b->program, index, best);
	for (uint32_t i = 0; b->later && i < b->later->nplaces; i++)
		if (b->numbers[b->later->image->routes.count + i] == index)
			fr_place_take_verdict(b->later, i, best);
	put_place(b, index);
}

static void take_verdicts(struct fr_wboard *b)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < b->board.nworkers; w++)
		if (w != b->worker)
			sum += FR_BOARD_GET(fr_board_slot(&b->board, w)->verdicts);
	if (sum == b->verdicts)
		return;
	b->verdicts = sum;
	for (uint32_t i = 0; i < b->board.nplaces && i < b->program->nplaces; i++)
		take_place(b, i);
}

/* ---- heartbeat ---- */

static void beat_again(struct fr_wboard *b, struct ev_loop *ev)
{
	FR_BOARD_PUT(b->slot->due_ns, fr_wboard_now() + (uint64_t)(FR_BOARD_BEAT * 1e9));
	ev_now_update(ev);
	ev_timer_set(&b->beat, FR_BOARD_BEAT, 0);
	ev_timer_start(ev, &b->beat);
}

static void on_beat(struct ev_loop *ev, ev_timer *timer, int revents)
{
	struct fr_wboard *b = timer->data;
	uint64_t now = fr_wboard_now(), due = FR_BOARD_GET(b->slot->due_ns);
	uint64_t lag = now > due ? now - due : 0;

	(void)revents;
	FR_BOARD_PUT(b->slot->lag_ns, lag);
	if (lag > FR_BOARD_GET(b->slot->max_lag_ns))
		FR_BOARD_PUT(b->slot->max_lag_ns, lag);
	take_verdicts(b);
	beat_again(b, ev);
}

/* ---- errors ---- */

/* "file:line in function" of where exc was raised: new, or NULL. */
static PyObject *raised_at(PyObject *exc)
{
	PyObject *tb = PyException_GetTraceback(exc), *next, *place = NULL;
	PyObject *frame = NULL, *code = NULL, *file = NULL, *name = NULL, *line = NULL;

	while (tb && (next = PyObject_GetAttrString(tb, "tb_next"))) {
		if (next == Py_None) {
			Py_DECREF(next);
			break;
		}
		Py_SETREF(tb, next);
	}
	frame = tb ? PyObject_GetAttrString(tb, "tb_frame") : NULL;
	line = tb ? PyObject_GetAttrString(tb, "tb_lineno") : NULL;
	code = frame ? PyObject_GetAttrString(frame, "f_code") : NULL;
	file = code ? PyObject_GetAttrString(code, "co_filename") : NULL;
	name = code ? PyObject_GetAttrString(code, "co_name") : NULL;
	if (file && name && line)
		place = PyUnicode_FromFormat("%S:%S in %S", file, line, name);
	PyErr_Clear();
	Py_XDECREF(tb);
	Py_XDECREF(frame);
	Py_XDECREF(line);
	Py_XDECREF(code);
	Py_XDECREF(file);
	Py_XDECREF(name);
	return place;
}

/* An exception without a traceback was raised in C: it is its endpoint's.  Into room. */
static const char *place_of_route(const struct fr_program *program, uint32_t index, char *room,
                                  size_t size)
{
	const struct fr_image *image = program->image;
	const struct fr_route *route;

	room[0] = '\0';
	if (index >= image->routes.count)
		return room;
	route = (const struct fr_route *)FR_IMAGE_AT(image, image->routes.off) + index;
	if (route->file.len > 0)
		snprintf(room, size, "%.*s:%u in %.*s", (int)route->file.len,
		         fr_str_in(image, route->file), route->line, (int)route->endpoint.len,
		         fr_str_in(image, route->endpoint));
	return room;
}

/* The end of a traceback says most; it begins with a whole line. */
static const char *cut(const char *text, size_t *len)
{
	const char *from = text, *line;

	if (*len <= FR_BOARD_ERROR_TEXT)
		return text;
	from = text + *len - FR_BOARD_ERROR_TEXT;
	line = memchr(from, '\n', FR_BOARD_ERROR_TEXT - 1);
	if (line)
		from = line + 1;
	else
		while (((unsigned char)*from & 0xc0) == 0x80)
			from++;
	*len -= (size_t)(from - text);
	return from;
}

static void on_error(const struct fr_program *program, uint32_t route, const struct fr_input *in,
                     PyObject *exc, const char *text, size_t len)
{
	struct fr_wboard *b = mine;
	PyObject *place = raised_at(exc);
	const char *where = place ? PyUnicode_AsUTF8(place) : NULL, *type = Py_TYPE(exc)->tp_name;
	struct fr_board_error head = { .id = in->id, .method = in->method };
	struct fr_ring_part parts[] = {
		{ &head, sizeof head }, { type, strlen(type) }, { NULL, 0 }, { NULL, len }
	};
	char room[512];

	if (place && !where)
		PyErr_Clear();
	if (!where)
		where = place_of_route(program, route, room, sizeof room);
	parts[2] = (struct fr_ring_part){ where, strlen(where) };
	parts[3].p = cut(text, &parts[3].len);
	for (int i = 1; i < 3; i++)
		if (parts[i].len > 512)
			parts[i].len = 512;
	head.type_len = (uint32_t)parts[1].len;
	head.place_len = (uint32_t)parts[2].len;
	head.text_len = (uint32_t)parts[3].len;
	if (program != b->program)
		route = program == b->later && route != FR_NONE32 ? b->numbers[route] : FR_NONE32;
	head.route = route < b->board.nroutes ? route : b->board.nroutes;
	FR_BOARD_ADD(b->routes[head.route].errors, 1);
	fr_ring_write(&b->errors, parts, 4); /* a full ring counts what it drops */
	Py_XDECREF(place);
}

/* ---- life ---- */

void fr_wboard_start(struct fr_wboard *b, struct ev_loop *ev, struct fr_program *program)
{
	mine = b;
	b->program = program;
	for (uint32_t i = 0; i < program->nplaces; i++)
		if (program->places[i].fixed)
			put_place(b, i);
	fr_place_on_verdict(on_verdict);
	fr_error_observe(on_error);
	ev_init(&b->beat, on_beat);
	b->beat.data = b;
	beat_again(b, ev);
}

void fr_wboard_stop(struct fr_wboard *b, struct ev_loop *ev)
{
	fr_wboard_state(b, FR_BOARD_ENDED);
	fr_place_on_verdict(NULL);
	fr_error_observe(NULL);
	ev_timer_stop(ev, &b->beat);
	forget_later(b);
	mine = NULL;
}
