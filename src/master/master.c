#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "base/log.h"
#include "master/child.h"
#include "master/control.h"
#include "master/crew.h"
#include "master/generation.h"
#include "master/listeners.h"
#include "master/pid_file.h"
#include "master/status.h"

#define MAX_LOGGED 12000 /* bytes of a child's words that fit a log entry */
#define HANDOVER 2. /* seconds: how long a reload waits for the old workers to leave */
#define HANDOVER_LOOK .005

struct master {
	const struct fr_options *options;
	const struct fr_entries *entries;
	struct ev_loop *loop;
	struct fr_generation *current; /* NULL: none has come up yet */
	struct fr_generation *coming; /* NULL: none is on its way */
	struct fr_generation *retiring; /* finish what they have */
	struct fr_generation *leaving; /* was just told to retire, and may still accept; or NULL */
	struct fr_status *status;
	struct fr_control control;
	struct fr_control next_control; /* the coming generation's, if it is another */
	ev_io signals;
	ev_timer handover; /* looks whether it still does */
	ev_tstamp handover_end;
	ev_timer sweep; /* frees what is gone, outside of its callbacks */
	char *pid_file; /* that was written */
	unsigned number; /* of the last generation that was begun */
	unsigned long reloads; /* that were begun */
	bool again; /* a reload was asked for while one was under way */
	bool stopping;
	bool just_asked; /* to end, by a signal: another is the same one */
	ev_timer asked; /* ends that */
	int code;
};

void fr_master_complain(const struct fr_diag *diag, const char *said)
{
	fprintf(stderr, "fastrapid: %s%s%s\n", diag->where, diag->where[0] ? ": " : "",
	        diag->message);
	if (said && *said)
		fprintf(stderr, "%s%s", said, said[strlen(said) - 1] == '\n' ? "" : "\n");
}

/* The end of a text, as much as an entry of the log holds. */
static const char *tail(const char *said, size_t *ret_len)
{
	size_t len = said ? strlen(said) : 0, skip = len > MAX_LOGGED ? len - MAX_LOGGED : 0;

	*ret_len = len - skip;
	return said ? said + skip : NULL;
}

/* At start people look at the terminal; with a log file, it has to be in there as well. */
static void could_not_start(struct master *m, const struct fr_diag *diag, const char *said,
                            int log_fd)
{
	size_t len;
	const char *end = tail(said, &len);

	m->code = 1;
	fr_master_complain(diag, said);
	if (log_fd > 2)
		fr_log_text(FR_ERROR, end, len, "could not start: %s: %s", diag->where,
		            diag->message);
}

/* ---- ending ---- */

static void sweep_soon(struct master *m)
{
	if (ev_is_active(&m->sweep))
		return;
	ev_timer_set(&m->sweep, 0., 0.);
	ev_timer_start(m->loop, &m->sweep);
}

static void stop(struct master *m, bool graceful)
{
	struct fr_generation *g, *next;

	m->stopping = true;
	m->again = false;
	/* Ours would go on taking connections that nobody answers. */
	if (m->coming)
		fr_listeners_close(&m->coming->listeners, NULL);
	if (m->current)
		fr_listeners_close(&m->current->listeners, NULL);
	if (m->coming)
		fr_generation_stop(m->coming, graceful);
	if (m->current)
		fr_generation_stop(m->current, graceful);
	for (g = m->retiring; g; g = next) {
		next = g->next;
		fr_generation_stop(g, graceful);
	}
	sweep_soon(m);
}

static void drop(struct master *m, struct fr_generation **at)
{
	struct fr_generation *g = *at;

	*at = g->next;
	if (m->leaving == g)
		m->leaving = NULL;
	fr_listeners_close(&g->listeners,
	                   m->current && m->current != g ? &m->current->listeners : NULL);
	fr_log(FR_DEBUG, "generation %u is gone", g->number);
	fr_generation_free(g);
}

static void reload_again(struct master *m);

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct master *m = timer->data;

	(void)revents;
	if (m->coming && m->coming->gone)
		drop(m, &m->coming);
	for (struct fr_generation **at = &m->retiring; *at;) {
		if ((*at)->gone)
			drop(m, at);
		else
			at = &(*at)->next;
	}
	if (m->stopping && !m->coming && !m->retiring && (!m->current || m->current->gone))
		ev_break(loop, EVBREAK_ALL);
	reload_again(m);
}

static void on_gone(void *data, struct fr_generation *g)
{
	(void)g;
	sweep_soon(data);
}

/* ---- reloading ---- */

static void begin_reload(struct master *m);

/* Tells those who wait for the reloads begun so far; NULL: it went well. */
static void tell_outcome(struct master *m, const char *error)
{
	struct fr_control_client *client, *next;
	char text[64];

	snprintf(text, sizeof text, "generation %u serves\n", m->number);
	for (client = m->control.clients; client; client = next) {
		next = client->next;
		if (client->asked && client->waits_for && client->waits_for <= m->reloads)
			fr_control_answer(client, !error, error ? error : text);
	}
}

/*
 * Whether the replaced generations that have not ended are as many as may
 * be.  The oldest is told to hasten then.
 */
static bool crowded(const struct master *m)
{
	struct fr_generation *oldest = m->retiring;
	unsigned n = 0;

	for (struct fr_generation *g = m->retiring; g; g = g->next) {
		oldest = g;
		n++;
	}
	if (!m->current || n < m->current->config.limits.retiring)
		return false;
	if (!oldest->hastened) {
		fr_log(FR_WARNING,
		       "a reload waits for generation %u to end: %u are retiring already "
		       "(limits.retiring)",
		       oldest->number, n);
		oldest->hastened = true;
		fr_crew_hasten(&oldest->crew);
	}
	return true;
}

/* Now, or, for all who ask meanwhile, once more after what is under way. */
static void reload(struct master *m)
{
	m->again = m->coming || m->leaving || crowded(m);
	if (!m->again)
		begin_reload(m);
}

/* A reload has ended, or a generation has. */
static void reload_again(struct master *m)
{
	if (m->again && !m->stopping)
		reload(m);
}

static void reload_failed(struct master *m, const struct fr_diag *diag, const char *said)
{
	size_t len;
	const char *end = tail(said, &len);
	char *error;

	fr_log_text(FR_ERROR, end, len, "reload failed, generation %u serves on: %s%s%s",
	            m->current->number, diag->where, diag->where[0] ? ": " : "", diag->message);
	m->current->crew.spare.held = false;
	fr_control_close(&m->next_control);
	fr_status_stay(m->status);
	if (asprintf(&error, "%s%s%s\n%s", diag->where, diag->where[0] ? ": " : "", diag->message,
	             said ? said : "") < 0)
		error = NULL;
	fr_status_reload_failed(m->status, error ? error : "out of memory");
	tell_outcome(m, error ? error : "out of memory\n");
	free(error);
}

static void on_failed(void *data, struct fr_generation *g)
{
	struct master *m = data;

	if (!m->current) {
		could_not_start(m, &g->diag, g->said, g->log_fd);
		stop(m, true);
		return;
	}
	/* Its workers may need time to end; the next one need not wait for that. */
	m->coming = NULL;
	g->next = m->retiring;
	m->retiring = g;
	fr_listeners_close(&g->listeners, &m->current->listeners);
	reload_failed(m, &g->diag, g->said);
	reload_again(m);
}

static void replace(struct master *m, struct fr_generation *old, struct fr_generation *g)
{
	struct fr_diag diag;

	fr_log_init(g->log_fd, (enum fr_level)g->config.log.level);
	if (!g->config.control || (m->control.path && strcmp(m->control.path, g->config.control)) ||
	    m->next_control.path)
		fr_control_move(&m->control, &m->next_control);
	if (fr_pid_file_move(&m->pid_file, g->config.pid_file, &diag) < 0)
		fr_log(FR_ERROR, "%s: %s", diag.where, diag.message);
	fr_status_move(m->status, g->config.status.listen);
	/* The sockets that both have live on; a socket that the new one lacks ends with the old one's workers. */
	fr_listeners_close(&old->listeners, &g->listeners);
	old->next = m->retiring;
	m->retiring = old;
	fr_crew_retire(&old->crew);
}

/*
 * Who asked for a reload is told of it when the next connection is sure to be
 * the new generation's: when the old workers have heard that they retire.
 * One that is stuck hears nothing, and accepts nothing meanwhile.
 */
static void on_handover(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct master *m = timer->data;

	(void)revents;
	if (m->leaving && !fr_generation_has_left(m->leaving) && ev_now(loop) < m->handover_end)
		return;
	ev_timer_stop(loop, timer);
	m->leaving = NULL;
	tell_outcome(m, NULL);
	reload_again(m);
}

static void log_ready(const struct master *m, const struct fr_generation *g)
{
	char address[256];

	for (size_t i = 0; i < g->listeners.count; i++) {
		fr_listener_address(&g->listeners.list[i], address, sizeof address);
		fr_log(FR_INFO, "listening on %s", address);
	}
	fr_status_log(m->status);
	fr_log(FR_INFO, "ready: %s, %u routes, %u workers, generation %u", g->config.app, g->routes,
	       g->config.workers, g->number);
}

static void on_ready(void *data, struct fr_generation *g)
{
	struct master *m = data;
	struct fr_generation *old = m->current;
	struct fr_diag diag;

	if (m->stopping)
		return;
	if (!old && fr_pid_file_move(&m->pid_file, g->config.pid_file, &diag) < 0) {
		could_not_start(m, &diag, NULL, g->log_fd);
		stop(m, true);
		return;
	}
	m->coming = NULL;
	m->current = g;
	fr_crew_accept(&g->crew);
	if (old)
		replace(m, old, g);
	fr_status_serves(m->status, g->number);
	log_ready(m, g);
	if (!old) {
		reload_again(m); /* asked for while the first one was on its way */
		return;
	}
	m->leaving = old;
	m->handover_end = ev_now(m->loop) + HANDOVER;
	ev_timer_again(m->loop, &m->handover);
}

static void on_command(void *data, struct fr_control_client *client, const char *word);

/* The control socket of a configuration, if it is not the one that is open. */
static int open_control(struct master *m, const struct fr_config *config, struct fr_control *at,
                        struct fr_diag *diag)
{
	if (!config->control || (m->control.path && !strcmp(m->control.path, config->control)))
		return 0;
	return fr_control_open(at, m->loop, config->control, on_command, m, diag);
}

static int make_generation(struct master *m, struct fr_config *config, struct fr_diag *diag)
{
	const struct fr_generation_events events = { m, on_ready, on_failed, on_gone };
	struct fr_generation *g =
		fr_generation_new(m->loop, m->entries, m->number + 1, config, m->status, events);
	int err;

	if (!g)
		return fr_diag_set(diag, FR_ENOMEM, "", "out of memory");
	m->number++;
	err = open_control(m, &g->config, m->current ? &m->next_control : &m->control, diag);
	if (err == 0)
		err = fr_status_open(m->status, g->config.status.listen, diag);
	if (err == 0 && !m->current)
		fr_status_move(m->status, g->config.status.listen);
	if (err == 0)
		err = fr_generation_start(g, m->current, diag);
	if (err < 0)
		fr_generation_free(g);
	else
		m->coming = g;
	return err;
}

static void begin_reload(struct master *m)
{
	struct fr_config config;
	struct fr_diag diag = { 0 };
	int err;

	m->reloads++;
	m->current->crew.spare.held = true; /* one that is not there yet would only delay us */
	fr_log(FR_INFO, "reloading");
	fr_config_init(&config);
	err = fr_options_configure(m->options, &config, &diag);
	if (err == 0)
		err = make_generation(m, &config, &diag);
	fr_config_fini(&config);
	if (err < 0)
		reload_failed(m, &diag, NULL);
}

/* ---- events ---- */

static void answer_status(struct master *m, struct fr_control_client *client)
{
	char *table = fr_status_table(m->status);

	fr_control_answer(client, table != NULL, table ? table : "out of memory\n");
	free(table);
}

static void on_command(void *data, struct fr_control_client *client, const char *word)
{
	struct master *m = data;

	if (!strcmp(word, "stop")) {
		fr_log(FR_INFO, "told to stop%s", m->stopping ? " at once" : "");
		stop(m, !m->stopping); /* the answer is our end */
	} else if (!strcmp(word, "status")) {
		answer_status(m, client);
	} else if (strcmp(word, "reload")) {
		fr_control_answer(client, false, "the master knows no such command\n");
	} else if (m->stopping) {
		fr_control_answer(client, false, "the server is ending\n");
	} else {
		/* Set first: a reload that fails at once answers while it begins. */
		client->waits_for = m->reloads + 1;
		reload(m);
	}
}

static bool is_crew(const struct master *m, pid_t pid)
{
	const struct fr_generation *g = m->retiring;

	if ((m->coming && fr_crew_has(&m->coming->crew, pid)) ||
	    (m->current && fr_crew_has(&m->current->crew, pid)))
		return true;
	while (g && !fr_crew_has(&g->crew, pid))
		g = g->next;
	return g != NULL;
}

static void reap(struct master *m)
{
	pid_t pid;

	while ((pid = fr_child_ended()) > 0) {
		struct fr_generation *g;
		bool known = m->coming && fr_generation_loader_ended(m->coming, pid);
		int status;

		for (g = m->retiring; g && !known; g = g->next)
			known = fr_generation_loader_ended(g, pid);
		if (known)
			continue;
		/* Not reaped yet, so the group's number is still its own: whatever it left running goes. */
		if (is_crew(m, pid))
			kill(-pid, SIGKILL);
		status = fr_child_reap(pid);
		known = (m->coming && fr_crew_reaped(&m->coming->crew, pid, status)) ||
		        (m->current && fr_crew_reaped(&m->current->crew, pid, status));
		for (g = m->retiring; g && !known; g = g->next)
			known = fr_crew_reaped(&g->crew, pid, status);
	}
}

/* SIGTERM, SIGINT, SIGQUIT. */
static void told_to_end(struct master *m, int signo)
{
	bool hard = m->stopping || signo == SIGQUIT;

	if (m->just_asked && signo != SIGQUIT)
		return;
	fr_log(FR_INFO, "%s: stopping%s", strsignal(signo), hard ? " at once" : "");
	m->just_asked = true;
	ev_now_update(m->loop);
	ev_timer_stop(m->loop, &m->asked);
	ev_timer_set(&m->asked, FR_SIGNALS_ARE_ONE, 0.);
	ev_timer_start(m->loop, &m->asked);
	stop(m, !hard);
}

/* Somebody has renamed the log, or is about to compress it. */
static void reopen_logs(struct master *m)
{
	struct fr_generation *first[] = { m->current, m->coming, m->retiring };
	struct fr_diag diag;

	if (m->current && !m->current->config.log.file) {
		fr_log(FR_INFO, "SIGUSR1: there is no log.file to be opened anew");
		return;
	}
	for (size_t i = 0; i < sizeof first / sizeof *first; i++)
		for (struct fr_generation *g = first[i]; g; g = i == 2 ? g->next : NULL)
			if (fr_generation_reopen_log(g, &diag) < 0)
				fr_log(FR_ERROR, "%s: %s; the log stays where it was", diag.where,
				       diag.message);
	fr_log(FR_INFO, "SIGUSR1: the log is opened anew");
}

static void take_signals(struct master *m)
{
	int signo;

	while ((signo = fr_signals_next(m->signals.fd)) != 0) {
		switch (signo) {
		case SIGCHLD:
			reap(m);
			break;
		case SIGHUP:
			if (!m->stopping)
				reload(m);
			break;
		case SIGUSR1:
			reopen_logs(m);
			break;
		case SIGUSR2:
			break; /* nothing yet, but no reason to die */
		default:
			told_to_end(m, signo);
			break;
		}
	}
}

static void on_signal(struct ev_loop *loop, ev_io *watcher, int revents)
{
	(void)loop;
	(void)revents;
	take_signals(watcher->data);
}

/* From now on, one that comes counts as the next; if we were held up, some have come before. */
static void on_asked(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct master *m = timer->data;

	(void)loop;
	(void)revents;
	take_signals(m);
	m->just_asked = false;
}

/* ---- the whole life ---- */

int fr_master_serve(struct fr_config *config, const struct fr_options *options,
                    const struct fr_entries *entries, int signal_fd)
{
	struct master m = { .options = options, .entries = entries };
	struct fr_diag diag = { 0 };

	m.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!m.loop) {
		fr_diag_errno(&diag, errno, "libev", "can't make an event loop");
		could_not_start(&m, &diag, NULL, -1);
		return m.code;
	}
	m.control.fd = m.next_control.fd = -1;
	m.status = fr_status_new(m.loop, entries->version);
	m.control.loop = m.next_control.loop = m.loop;
	ev_io_init(&m.signals, on_signal, signal_fd, EV_READ);
	ev_timer_init(&m.sweep, on_sweep, 0., 0.);
	ev_timer_init(&m.handover, on_handover, 0., HANDOVER_LOOK);
	m.handover.data = &m;
	ev_timer_init(&m.asked, on_asked, FR_SIGNALS_ARE_ONE, 0.);
	m.signals.data = m.sweep.data = m.asked.data = &m;
	ev_io_start(m.loop, &m.signals);
	if (!m.status)
		fr_diag_set(&diag, FR_ENOMEM, "", "out of memory");
	if (!m.status || make_generation(&m, config, &diag) < 0) {
		could_not_start(&m, &diag, NULL, -1);
		goto out;
	}
	ev_run(m.loop, 0);
	fr_log(FR_INFO, "stopped");
out:
	fr_pid_file_remove(&m.pid_file);
	fr_log_init(STDERR_FILENO, FR_INFO);
	fr_generation_free(m.current);
	fr_status_free(m.status);
	fr_control_close(&m.next_control);
	fr_control_close(&m.control);
	ev_timer_stop(m.loop, &m.handover);
	ev_timer_stop(m.loop, &m.sweep);
	ev_timer_stop(m.loop, &m.asked);
	ev_loop_destroy(m.loop);
	return m.code;
}
