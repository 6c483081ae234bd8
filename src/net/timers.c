#include "net/conn.h"

static void link_init(struct fr_link *l)
{
	l->prev = l->next = l;
}

void fr_timer_stop(struct fr_timer *t)
{
	if (t->kind == FR_TIMER_NONE)
		return;
	t->link.prev->next = t->link.next;
	t->link.next->prev = t->link.prev;
	t->kind = FR_TIMER_NONE;
}

void fr_timer_set(struct fr_server *s, struct fr_timer *t, enum fr_timer_kind kind)
{
	struct fr_link *list = &s->timers[kind];

	fr_timer_stop(t);
	t->kind = (uint8_t)kind;
	t->deadline = s->clock + s->timeouts[kind];
	t->link.prev = list->prev;
	t->link.next = list;
	list->prev->next = &t->link;
	list->prev = &t->link;
}

/*
 * One timer looks after all connections.  Its clock advances by no more than
 * two intervals a tick: when a callback has held the loop up, requests that
 * wait in the socket are read before anyone is found late.
 */
static void on_sweep(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fr_server *s = FR_CONTAINER_OF(w, struct fr_server, sweep);
	double now = ev_now(loop), passed = now - s->last_sweep;

	(void)revents;
	if (passed > 2 * s->interval)
		passed = 2 * s->interval;
	if (passed > 0)
		s->clock += passed;
	s->last_sweep = now;
	for (unsigned kind = 0; kind < FR_TIMER_KINDS; kind++) {
		struct fr_link *list = &s->timers[kind];

		while (list->next != list) {
			struct fr_timer *t = FR_CONTAINER_OF(list->next, struct fr_timer, link);
			struct fr_conn *c;

			if (t->deadline > s->clock)
				break;
			fr_timer_stop(t);
			c = kind == FR_TIMER_WRITE ? FR_CONTAINER_OF(t, struct fr_conn, wtimer)
			                           : FR_CONTAINER_OF(t, struct fr_conn, rtimer);
			fr_conn_timeout(c, kind);
		}
	}
	if (s->conns.next == &s->conns)
		ev_timer_stop(loop, w);
}

void fr_timers_interval(struct fr_server *s)
{
	double least = 2;

	for (unsigned kind = 0; kind < FR_TIMER_KINDS; kind++)
		if (s->timeouts[kind] < least)
			least = s->timeouts[kind];
	s->interval = least / 8;
	if (s->interval < 0.01)
		s->interval = 0.01;
	s->sweep.repeat = s->interval;
	if (ev_is_active(&s->sweep))
		ev_timer_again(s->loop, &s->sweep);
}

void fr_timers_init(struct fr_server *s)
{
	for (unsigned kind = 0; kind < FR_TIMER_KINDS; kind++)
		link_init(&s->timers[kind]);
	s->timeouts[FR_TIMER_HEADER] = s->limits.header_timeout;
	s->timeouts[FR_TIMER_BODY] = s->limits.body_timeout;
	s->timeouts[FR_TIMER_IDLE] = s->limits.idle_timeout;
	s->timeouts[FR_TIMER_LINGER] = s->limits.linger_timeout;
	s->timeouts[FR_TIMER_CHECK] = 1.;
	s->timeouts[FR_TIMER_PING] = s->limits.ws_ping;
	s->timeouts[FR_TIMER_WS_CLOSE] = s->limits.ws_close;
	s->timeouts[FR_TIMER_WS_HOLD] = s->limits.ws_hold;
	s->timeouts[FR_TIMER_WRITE] = s->limits.write_timeout;
	ev_timer_init(&s->sweep, on_sweep, 0., 1.);
	ev_set_priority(&s->sweep, -1); /* what has arrived is read first */
	fr_timers_interval(s);
}

void fr_timers_wake(struct fr_server *s)
{
	if (ev_is_active(&s->sweep))
		return;
	s->last_sweep = ev_now(s->loop);
	ev_timer_again(s->loop, &s->sweep);
}

void fr_timers_fini(struct fr_server *s)
{
	ev_timer_stop(s->loop, &s->sweep);
}
