#include "master/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "master/child.h"
#include "master/spawn.h"

#define BACKOFF_FIRST 0.1
#define BACKOFF_MOST 30.0
#define SETTLED 0.25 /* a worker that was ready for this long could serve */
#define SPARE_TIME 3.0 /* for the spare to make a worker */
#define LOST_TIME 0.01 /* before a worker returns: for the others' events */
#define DRAIN_MARGIN 5.0 /* for lifespan's shutdown, after the requests */
#define FAST_LIMIT 3.0

#define MEMBER_OF(watcher, field)                                                                  \
	((struct fr_member *)((char *)(watcher)-offsetof(struct fr_member, field)))

static void on_report(struct ev_loop *loop, ev_io *watcher, int revents);
static void on_timer(struct ev_loop *loop, ev_timer *watcher, int revents);

static void wait_for(struct fr_member *m, double seconds)
{
	ev_now_update(m->crew->loop);
	ev_timer_stop(m->crew->loop, &m->timer);
	ev_timer_init(&m->timer, on_timer, seconds, 0);
	ev_timer_start(m->crew->loop, &m->timer);
}

static void tell(struct fr_member *m, int signo)
{
	m->told = signo;
	kill(m->pid, signo);
}

/* ---- starting one ---- */

/* A process for m is there, with the other end of fd. */
static void begin(struct fr_member *m, pid_t pid, int fd)
{
	struct fr_crew *crew = m->crew;

	m->pid = pid;
	m->report_fd = fd;
	m->asked = m->ready = m->late = false;
	m->told = 0;
	ev_io_init(&m->report, on_report, m->report_fd, EV_READ);
	ev_io_start(crew->loop, &m->report);
	wait_for(m, crew->heritage.config->timeouts.start);
}

static int spawn(struct fr_member *m, struct fr_diag *diag)
{
	struct fr_crew *crew = m->crew;
	struct fr_heritage heritage = crew->heritage;
	int fd, err;
	pid_t pid;

	heritage.worker = m->number;
	if ((err = fr_spawn(crew->loop, crew->entries, &heritage, &pid, &fd, diag)) < 0)
		return err;
	begin(m, pid, fd);
	fr_log(FR_DEBUG, "worker %u started (pid %d)", m->number, (int)pid);
	return 0;
}

/* ---- replacing one ---- */

/* By a process that imports the application anew. */
static void spawn_again(struct fr_member *m)
{
	struct fr_diag diag;

	if (spawn(m, &diag) == 0)
		return;
	fr_log(FR_ERROR, "worker %u can't be started: %s", m->number, diag.message);
	wait_for(m, BACKOFF_MOST);
}

static void revive(struct fr_member *m)
{
	struct fr_diag diag;
	pid_t pid = 0;
	int ends[2], err;

	if (fr_spawn_pair(ends, &diag) < 0) {
		spawn_again(m);
		return;
	}
	err = fr_spare_take(&m->crew->spare, m->number, ends[1], &pid);
	close(ends[1]);
	if (err < 0) {
		close(ends[0]);
		spawn_again(m);
	} else if (pid) {
		begin(m, pid, ends[0]);
	} else {
		m->asked = true;
		m->report_fd = ends[0];
		wait_for(m, SPARE_TIME);
	}
}

/* The spare has not made it. */
static void give_up_spare(struct fr_member *m)
{
	m->asked = false;
	close(m->report_fd);
	m->report_fd = -1;
	ev_timer_stop(m->crew->loop, &m->timer);
	if (m->crew->state == FR_CREW_READY)
		spawn_again(m);
}

/* What runs the application's code says so: it is believed of our own children only. */
static bool is_child(const struct fr_crew *crew, pid_t pid)
{
	siginfo_t info;

	return pid > 0 && !fr_crew_has(crew, pid) &&
	       waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void on_forked(void *data, unsigned worker, pid_t pid)
{
	struct fr_crew *crew = data;
	struct fr_member *m = worker < crew->count ? &crew->members[worker] : NULL;

	if (!m || !m->asked)
		return;
	if (!is_child(crew, pid)) {
		give_up_spare(m);
		return;
	}
	begin(m, pid, m->report_fd);
	fr_log(FR_DEBUG, "worker %u forked from the spare (pid %d)", m->number, (int)pid);
	if (crew->state == FR_CREW_READY)
		return;
	ev_timer_stop(crew->loop, &m->timer);
	tell(m, SIGKILL); /* it has not begun to do anything */
}

static void on_spare_lost(void *data)
{
	struct fr_crew *crew = data;

	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].asked)
			give_up_spare(&crew->members[i]);
}

static void on_spare_change(void *data)
{
	struct fr_crew *crew = data;

	if (crew->events.on_spare)
		crew->events.on_spare(crew->events.data);
}

/* ---- orders ---- */

static void order(struct fr_member *m, enum fr_order what)
{
	char byte = (char)what;
	ssize_t n = -1;

	while (m->report_fd >= 0 &&
	       (n = send(m->report_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 &&
	       errno == EINTR)
		;
	/* One that can't be told what to do is of no use; how it ends is told when it is reaped. */
	if (n < 0 && m->pid)
		tell(m, SIGTERM);
}

void fr_crew_reopen_log(struct fr_crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++) {
		const struct fr_member *m = &crew->members[i];

		if (m->pid && m->report_fd >= 0 &&
		    fr_spawn_send_fd(m->report_fd, &(char){ FR_ORDER_REOPEN }, 1,
		                     crew->heritage.log_fd) < 0)
			fr_log(FR_WARNING, "worker %u (pid %d) can't be given the log: %s",
			       m->number, (int)m->pid, strerror(errno));
	}
	fr_spare_reopen_log(&crew->spare);
}

void fr_crew_accept(struct fr_crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].ready)
			order(&crew->members[i], FR_ORDER_ACCEPT);
	fr_spare_start(&crew->spare);
}

/* ---- what becomes of them ---- */

static bool anyone_runs(const struct fr_crew *crew)
{
	if (crew->spare.pid)
		return true;
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].pid)
			return true;
	return false;
}

static void all_gone(struct fr_crew *crew)
{
	crew->state = FR_CREW_GONE;
	ev_timer_stop(crew->loop, &crew->deadline);
	crew->events.on_gone(crew->events.data);
}

static void kill_all(struct fr_crew *crew, int signo)
{
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].pid)
			tell(&crew->members[i], signo);
}

static void on_deadline(struct ev_loop *loop, ev_timer *watcher, int revents)
{
	struct fr_crew *crew =
		(struct fr_crew *)((char *)watcher - offsetof(struct fr_crew, deadline));

	(void)loop;
	(void)revents;
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].pid)
			fr_log(FR_WARNING, "worker %u (pid %d) did not end in time: killed", i,
			       (int)crew->members[i].pid);
	kill_all(crew, SIGKILL);
}

/* From now on nobody is replaced, and whoever is there after limit is killed. */
static void end_within(struct fr_crew *crew, enum fr_crew_state state, double limit)
{
	crew->state = state;
	fr_spare_end(&crew->spare);
	for (unsigned i = 0; i < crew->count; i++)
		ev_timer_stop(crew->loop, &crew->members[i].timer);
	ev_now_update(crew->loop);
	ev_timer_stop(crew->loop, &crew->deadline);
	ev_timer_set(&crew->deadline, limit, 0);
	ev_timer_start(crew->loop, &crew->deadline);
}

static void order_end(struct fr_crew *crew, enum fr_order what)
{
	for (unsigned i = 0; i < crew->count; i++) {
		struct fr_member *m = &crew->members[i];

		if (m->pid && m->ready)
			order(m, what);
		else if (m->pid)
			tell(m, SIGTERM); /* it has not begun to serve */
	}
}

void fr_crew_retire(struct fr_crew *crew)
{
	if (crew->state >= FR_CREW_RETIRING)
		return;
	end_within(crew, FR_CREW_RETIRING, crew->heritage.config->timeouts.drain + DRAIN_MARGIN);
	order_end(crew, FR_ORDER_RETIRE);
	if (!anyone_runs(crew))
		all_gone(crew);
}

void fr_crew_hasten(struct fr_crew *crew)
{
	if (crew->failed)
		fr_crew_stop(crew, false); /* it has nothing to finish */
	if (crew->state != FR_CREW_RETIRING)
		return;
	if (ev_timer_remaining(crew->loop, &crew->deadline) > DRAIN_MARGIN)
		end_within(crew, FR_CREW_RETIRING, DRAIN_MARGIN);
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].pid && crew->members[i].ready)
			order(&crew->members[i], FR_ORDER_HASTEN);
}

void fr_crew_stop(struct fr_crew *crew, bool graceful)
{
	double limit = graceful ? crew->heritage.config->timeouts.drain + DRAIN_MARGIN : FAST_LIMIT;

	if (crew->state == FR_CREW_GONE || (crew->state == FR_CREW_STOPPING && graceful))
		return;
	end_within(crew, FR_CREW_STOPPING, limit);
	if (graceful)
		order_end(crew, FR_ORDER_STOP);
	else
		kill_all(crew, SIGQUIT);
	if (!anyone_runs(crew))
		all_gone(crew);
}

/* Start-up has failed: the first reason is the one that is told. */
static void fail(struct fr_crew *crew, const char *text, const char *fmt, ...) FR_PRINTF(3, 4);

static void fail(struct fr_crew *crew, const char *text, const char *fmt, ...)
{
	if (!crew->failed) {
		char message[512];
		va_list args;

		va_start(args, fmt);
		vsnprintf(message, sizeof message, fmt, args);
		va_end(args);
		fr_diag_set(&crew->diag, FR_ECHILD, "", "%s", message);
		crew->failed = true;
		crew->failure = text ? strdup(text) : NULL;
		crew->events.on_failed(crew->events.data);
	}
	fr_crew_stop(crew, true);
}

static int start_next(struct fr_crew *crew, struct fr_diag *diag)
{
	return spawn(&crew->members[crew->started++], diag);
}

static void now_ready(struct fr_member *m)
{
	struct fr_crew *crew = m->crew;
	struct fr_diag diag;

	m->ready = true;
	m->ready_at = ev_time();
	ev_timer_stop(crew->loop, &m->timer);
	if (crew->state == FR_CREW_READY)
		order(m, FR_ORDER_ACCEPT);
	if (crew->state == FR_CREW_READY) {
		fr_log(FR_INFO, "worker %u (pid %d) is ready", m->number, (int)m->pid);
		fr_spare_start(&crew->spare); /* it may have been used up */
	}
	if (crew->state != FR_CREW_STARTING)
		return;
	if (crew->started < crew->count) {
		if (start_next(crew, &diag) < 0)
			fail(crew, NULL, "%s: %s", diag.where, diag.message);
		return;
	}
	for (unsigned i = 0; i < crew->count; i++)
		if (!crew->members[i].ready)
			return;
	crew->state = FR_CREW_READY;
	crew->events.on_ready(crew->events.data);
}

/* Reads what reports there are, most of them at most.  Returns false at their end. */
static bool read_reports(struct fr_member *m, unsigned most)
{
	static char buf[sizeof(struct fr_report) + FR_REPORT_MAX + 1];
	struct fr_report *report = (struct fr_report *)(void *)buf;
	struct fr_crew *crew = m->crew;

	while (m->report_fd >= 0 && most--) {
		ssize_t n = recv(m->report_fd, buf, sizeof buf - 1, MSG_DONTWAIT);
		char *text = buf + sizeof *report;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < (ssize_t)sizeof *report)
			return false; /* its end, an error, or not our worker speaking */
		buf[n] = 0;
		if (report->kind == FR_REPORT_READY) {
			now_ready(m);
		} else if (report->kind == FR_REPORT_FAILED) {
			if (crew->state == FR_CREW_STARTING)
				fail(crew, text, "worker %u could not start", m->number);
			else if (crew->state == FR_CREW_READY)
				fr_log_text(FR_ERROR, text, strlen(text),
				            "worker %u could not start", m->number);
		}
	}
	return m->report_fd >= 0;
}

static void close_report(struct fr_member *m)
{
	if (m->report_fd < 0)
		return;
	ev_io_stop(m->crew->loop, &m->report);
	close(m->report_fd);
	m->report_fd = -1;
}

static void on_report(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct fr_member *m = MEMBER_OF(watcher, report);

	(void)loop;
	(void)revents;
	if (!read_reports(m, FR_REPORTS_TURN))
		close_report(m);
}

/* A running worker is late, the spare does not make one, or a dead one's time to return has come. */
static void on_timer(struct ev_loop *loop, ev_timer *watcher, int revents)
{
	struct fr_member *m = MEMBER_OF(watcher, timer);

	(void)loop;
	(void)revents;
	/* It may be us who were stopped: what was said meanwhile is heard first. */
	if (m->asked)
		fr_spare_hear(&m->crew->spare);
	else if (m->pid && !read_reports(m, FR_REPORTS_TURN))
		close_report(m);
	if (ev_is_active(watcher) || m->crew->state >= FR_CREW_RETIRING ||
	    (m->pid && (m->ready || fr_child_has_ended(m->pid))))
		return;
	if (m->pid) {
		m->late = true;
		tell(m, SIGKILL);
	} else if (m->asked) {
		fr_spare_discard(&m->crew->spare); /* fr_spare_reaped follows */
	} else {
		revive(m);
	}
}

/* Whether the kernel has killed for want of memory since this was asked last, in words. */
static const char *oom_killed(struct fr_crew *crew)
{
	struct fr_oom now = fr_oom_look("/proc", "/sys/fs/cgroup"), before = crew->oom;

	if (!now.kills) /* perhaps it can't be read now */
		return "";
	crew->oom = now;
	if (now.own != before.own || now.kills <= before.kills)
		return "";
	return now.own ? ": out of memory"
	               : "; the kernel has lately killed somebody for want of memory";
}

/* How a worker ended, in words. */
static void describe_end(const struct fr_member *m, int status, char *out, size_t size)
{
	const char *memory = oom_killed(m->crew);

	if (m->late)
		snprintf(out, size, "was not ready within timeouts.start (%.10g s)",
		         m->crew->heritage.config->timeouts.start);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		snprintf(out, size, "was ended by signal 9 (Killed)%s", memory);
	else if (WIFSIGNALED(status))
		snprintf(out, size, "was ended by signal %d (%s)%s", WTERMSIG(status),
		         strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
	else
		snprintf(out, size, "exited with code %d", WEXITSTATUS(status));
}

/* One that could serve returns at once; one that can't, ever later. */
static void replace(struct fr_member *m, pid_t pid, const char *how)
{
	struct fr_crew *crew = m->crew;
	double delay = BACKOFF_FIRST;

	crew->restarts++;
	if (m->ready && ev_time() - m->ready_at >= SETTLED) {
		m->failures = 0;
		delay = LOST_TIME;
		fr_log(FR_ERROR, "worker %u (pid %d) %s; it is started again", m->number, (int)pid,
		       how);
	} else {
		for (unsigned i = 0; i < m->failures && delay < BACKOFF_MOST; i++)
			delay *= 2;
		if (delay > BACKOFF_MOST)
			delay = BACKOFF_MOST;
		m->failures++;
		fr_log(FR_ERROR, "worker %u (pid %d) %s; it is started again in %.1f s", m->number,
		       (int)pid, how, delay);
	}
	wait_for(m, delay);
}

/* By the signal that it was sent, having nothing to finish: as it should be. */
static bool as_told(const struct fr_member *m, int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == m->told && !m->ready;
}

static void end_if_empty(struct fr_crew *crew)
{
	if (crew->state >= FR_CREW_RETIRING && crew->state != FR_CREW_GONE && !anyone_runs(crew))
		all_gone(crew);
}

bool fr_crew_has(const struct fr_crew *crew, pid_t pid)
{
	for (unsigned i = 0; crew->members && i < crew->count; i++)
		if (crew->members[i].pid == pid)
			return true;
	return crew->members && crew->spare.pid == pid;
}

bool fr_crew_reaped(struct fr_crew *crew, pid_t pid, int status)
{
	struct fr_member *m = NULL;
	char how[128];

	if (fr_spare_reaped(&crew->spare, pid, status)) {
		end_if_empty(crew);
		return true;
	}
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].pid == pid)
			m = &crew->members[i];
	if (!m)
		return false;
	read_reports(m, FR_REPORTS_END); /* its last words, before its end is judged */
	close_report(m);
	ev_timer_stop(crew->loop, &m->timer);
	m->pid = 0;
	describe_end(m, status, how, sizeof how);
	if (crew->events.on_ended)
		crew->events.on_ended(crew->events.data, m->number, pid, how,
		                      crew->state == FR_CREW_READY);
	if (crew->state == FR_CREW_STARTING)
		fail(crew, NULL, "worker %u %s before %s ready", m->number, how,
		     m->ready ? "the others were" : "it was");
	else if (crew->state == FR_CREW_READY)
		replace(m, pid, how);
	else if (status && !crew->failed && !as_told(m, status))
		fr_log(FR_WARNING, "worker %u (pid %d) %s", m->number, (int)pid, how);
	end_if_empty(crew);
	return true;
}

int fr_crew_start(struct fr_crew *crew, struct ev_loop *loop, const struct fr_entries *entries,
                  const struct fr_heritage *heritage, unsigned at_once,
                  struct fr_crew_events events, struct fr_diag *diag)
{
	const struct fr_spare_events of_spare = { crew, on_forked, on_spare_lost, on_spare_change };
	unsigned count = heritage->config->workers;
	int err;

	*crew = (struct fr_crew){ .loop = loop,
		                  .entries = entries,
		                  .heritage = *heritage,
		                  .events = events,
		                  .count = count,
		                  .oom = fr_oom_look("/proc", "/sys/fs/cgroup") };
	crew->members = calloc(count, sizeof *crew->members);
	if (!crew->members)
		return fr_diag_set(diag, FR_ENOMEM, "crew", "out of memory");
	fr_spare_init(&crew->spare, loop, entries, &crew->heritage, of_spare);
	ev_timer_init(&crew->deadline, on_deadline, 0, 0);
	for (unsigned i = 0; i < count; i++) {
		crew->members[i].crew = crew;
		crew->members[i].number = i;
		crew->members[i].report_fd = -1;
		ev_timer_init(&crew->members[i].timer, on_timer, 0, 0);
	}
	while (crew->started < count && crew->started < at_once) {
		if ((err = start_next(crew, diag)) == 0)
			continue;
		if (crew->started == 1) {
			free(crew->members);
			crew->members = NULL;
			return err;
		}
		fail(crew, NULL, "%s: %s", diag->where, diag->message);
		break;
	}
	return 0;
}

void fr_crew_fini(struct fr_crew *crew)
{
	for (unsigned i = 0; crew->members && i < crew->count; i++) {
		close_report(&crew->members[i]);
		ev_timer_stop(crew->loop, &crew->members[i].timer);
	}
	if (crew->members) {
		ev_timer_stop(crew->loop, &crew->deadline);
		fr_spare_fini(&crew->spare);
	}
	free(crew->members);
	free(crew->failure);
	crew->members = NULL;
	crew->failure = NULL;
}
