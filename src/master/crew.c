#include "master/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "base/log.h"
#include "master/child.h"

#define BACKOFF_FIRST 0.1
#define BACKOFF_MOST 30.0
#define SETTLED 0.25 /* a worker that was ready for this long could serve */
#define LOST_TIME 0.01 /* before a worker returns: for the others' events */
#define DRAIN_MARGIN 5.0 /* for lifespan's shutdown, after the requests */
#define FAST_LIMIT 3.0

#define MEMBER_OF(watcher, field)                                                                  \
	((struct fr_member *)((char *)(watcher)-offsetof(struct fr_member, field)))

static void on_report(struct ev_loop *loop, ev_io *watcher, int revents);
static void on_timer(struct ev_loop *loop, ev_timer *watcher, int revents);

/* ---- starting one ---- */

/* _exit() runs no handlers, the leak sanitizer's neither: builds with it look here. */
static void look_for_leaks(void)
{
#ifdef __SANITIZE_ADDRESS__
	__lsan_do_leak_check();
#endif
}

/* The forked child: from here to its exit code. */
static _Noreturn void be_worker(struct fr_member *m, int report_fd)
{
	struct fr_crew *crew = m->crew;
	struct fr_heritage h = crew->heritage;
	size_t nkeep = 0;
	int *keep = calloc(h.nlisteners + 3, sizeof *keep);
	struct fr_diag diag = { 0 };
	char name[16];
	int rc;

	h.worker = m->number;
	h.master_fd = report_fd;
	fr_child_reset_signals();
	ev_loop_destroy(crew->loop); /* closes the child's copy of the epoll descriptor, no more */
	if (!keep || fr_child_close_stdin() < 0)
		_exit(1);
	for (size_t i = 0; i < h.nlisteners; i++)
		keep[nkeep++] = h.listeners[i].fd;
	keep[nkeep++] = h.image_fd;
	keep[nkeep++] = h.master_fd;
	keep[nkeep++] = h.log_fd;
	fr_child_close_fds(keep, nkeep);
	free(keep);
	if (h.log_fd > 2)
		dup2(h.log_fd, 2);
	fr_log_init(h.log_fd, (enum fr_level)h.config->log.level);
	snprintf(name, sizeof name, "fastrapid-w%u", m->number);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	if (fr_child_drop(h.config->user, h.config->group, &diag) < 0) {
		fr_log(FR_ERROR, "worker %u: %s: %s", m->number, diag.where, diag.message);
		_exit(1);
	}
	fr_child_follow((pid_t)h.master_pid, FR_ORPHAN_SIGNAL);
	rc = crew->entries->worker(&h);
	fflush(NULL);
	look_for_leaks();
	_exit(rc);
}

static int spawn(struct fr_member *m, struct fr_diag *diag)
{
	struct fr_crew *crew = m->crew;
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return fr_diag_errno(diag, errno, "crew", "can't make a socket pair");
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		int err = fr_diag_errno(diag, errno, "crew", "can't fork");

		close(fds[0]);
		close(fds[1]);
		return err;
	}
	if (pid == 0)
		be_worker(m, fds[1]);
	close(fds[1]);
	setpgid(pid, pid);
	m->pid = pid;
	m->report_fd = fds[0];
	m->ready = m->late = false;
	ev_io_init(&m->report, on_report, m->report_fd, EV_READ);
	ev_io_start(crew->loop, &m->report);
	ev_now_update(crew->loop);
	ev_timer_init(&m->timer, on_timer, crew->heritage.config->timeouts.start, 0);
	ev_timer_start(crew->loop, &m->timer);
	fr_log(FR_DEBUG, "worker %u started (pid %d)", m->number, (int)pid);
	return 0;
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
		kill(m->pid, SIGTERM);
}

void fr_crew_accept(struct fr_crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].ready)
			order(&crew->members[i], FR_ORDER_ACCEPT);
}

/* ---- what becomes of them ---- */

static bool anyone_runs(const struct fr_crew *crew)
{
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
			kill(crew->members[i].pid, signo);
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
	for (unsigned i = 0; i < crew->count; i++)
		ev_timer_stop(crew->loop, &crew->members[i].timer);
	ev_now_update(crew->loop);
	ev_timer_stop(crew->loop, &crew->deadline);
	ev_timer_set(&crew->deadline, limit, 0);
	ev_timer_start(crew->loop, &crew->deadline);
}

void fr_crew_retire(struct fr_crew *crew)
{
	if (crew->state >= FR_CREW_RETIRING)
		return;
	end_within(crew, FR_CREW_RETIRING, crew->heritage.config->timeouts.drain + DRAIN_MARGIN);
	for (unsigned i = 0; i < crew->count; i++) {
		struct fr_member *m = &crew->members[i];

		if (m->pid && m->ready)
			order(m, FR_ORDER_RETIRE);
		else if (m->pid)
			kill(m->pid, SIGTERM); /* a replacement that has not begun to serve */
	}
	if (!anyone_runs(crew))
		all_gone(crew);
}

void fr_crew_stop(struct fr_crew *crew, bool graceful)
{
	double limit = graceful ? crew->heritage.config->timeouts.drain + DRAIN_MARGIN : FAST_LIMIT;

	if (crew->state == FR_CREW_GONE || (crew->state == FR_CREW_STOPPING && graceful))
		return;
	end_within(crew, FR_CREW_STOPPING, limit);
	kill_all(crew, graceful ? SIGTERM : SIGQUIT);
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

static void now_ready(struct fr_member *m)
{
	struct fr_crew *crew = m->crew;

	m->ready = true;
	m->ready_at = ev_time();
	ev_timer_stop(crew->loop, &m->timer);
	if (crew->state == FR_CREW_READY)
		order(m, FR_ORDER_ACCEPT);
	if (crew->state == FR_CREW_READY)
		fr_log(FR_INFO, "worker %u (pid %d) is ready", m->number, (int)m->pid);
	if (crew->state != FR_CREW_STARTING)
		return;
	for (unsigned i = 0; i < crew->count; i++)
		if (!crew->members[i].ready)
			return;
	crew->state = FR_CREW_READY;
	crew->events.on_ready(crew->events.data);
}

/* Reads what reports there are.  Returns false at their end. */
static bool read_reports(struct fr_member *m)
{
	static char buf[sizeof(struct fr_report) + FR_REPORT_MAX + 1];
	struct fr_report *report = (struct fr_report *)(void *)buf;
	struct fr_crew *crew = m->crew;

	while (m->report_fd >= 0) {
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
	return false;
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
	if (!read_reports(m))
		close_report(m);
}

/* A running worker is late, or a dead one's time to return has come. */
static void on_timer(struct ev_loop *loop, ev_timer *watcher, int revents)
{
	struct fr_member *m = MEMBER_OF(watcher, timer);
	struct fr_diag diag;

	(void)loop;
	(void)revents;
	if (m->pid) {
		m->late = true;
		kill(m->pid, SIGKILL);
	} else if (spawn(m, &diag) < 0) {
		fr_log(FR_ERROR, "worker %u can't be started: %s", m->number, diag.message);
		ev_timer_set(&m->timer, BACKOFF_MOST, 0);
		ev_timer_start(loop, &m->timer);
	}
}

/* How many processes the kernel has killed since it runs, for want of memory. */
static uint64_t count_oom_kills(void)
{
	FILE *f = fopen("/proc/vmstat", "re");
	unsigned long long count = 0;
	char line[128];

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "oom_kill %llu", &count) == 1)
			break;
	if (f)
		fclose(f);
	return count;
}

/* How a worker ended, in words. */
static void describe_end(const struct fr_member *m, int status, char *out, size_t size)
{
	if (m->late)
		snprintf(out, size, "was not ready within timeouts.start (%.10g s)",
		         m->crew->heritage.config->timeouts.start);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
	         count_oom_kills() > m->crew->oom_kills)
		snprintf(out, size, "was ended by signal 9 (Killed): the system was out of memory");
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
	ev_now_update(crew->loop);
	ev_timer_set(&m->timer, delay, 0);
	ev_timer_start(crew->loop, &m->timer);
}

bool fr_crew_reaped(struct fr_crew *crew, pid_t pid, int status)
{
	struct fr_member *m = NULL;
	char how[128];

	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].pid == pid)
			m = &crew->members[i];
	if (!m)
		return false;
	read_reports(m); /* its last words, before its end is judged */
	close_report(m);
	ev_timer_stop(crew->loop, &m->timer);
	m->pid = 0;
	describe_end(m, status, how, sizeof how);
	if (crew->events.on_ended)
		crew->events.on_ended(crew->events.data, m->number, pid, how,
		                      crew->state == FR_CREW_READY);
	if (count_oom_kills() > crew->oom_kills) /* 0: it can't be read now */
		crew->oom_kills = count_oom_kills();
	if (crew->state == FR_CREW_STARTING)
		fail(crew, NULL, "worker %u %s before it was ready", m->number, how);
	else if (crew->state == FR_CREW_READY)
		replace(m, pid, how);
	else if (status && !crew->failed)
		fr_log(FR_WARNING, "worker %u (pid %d) %s", m->number, (int)pid, how);
	if (crew->state >= FR_CREW_RETIRING && crew->state != FR_CREW_GONE && !anyone_runs(crew))
		all_gone(crew);
	return true;
}

int fr_crew_start(struct fr_crew *crew, struct ev_loop *loop, const struct fr_entries *entries,
                  const struct fr_heritage *heritage, struct fr_crew_events events,
                  struct fr_diag *diag)
{
	unsigned count = heritage->config->workers;
	int err;

	*crew = (struct fr_crew){ .loop = loop,
		                  .entries = entries,
		                  .heritage = *heritage,
		                  .events = events,
		                  .count = count,
		                  .oom_kills = count_oom_kills() };
	crew->members = calloc(count, sizeof *crew->members);
	if (!crew->members)
		return fr_diag_set(diag, FR_ENOMEM, "crew", "out of memory");
	ev_timer_init(&crew->deadline, on_deadline, 0, 0);
	for (unsigned i = 0; i < count; i++) {
		crew->members[i].crew = crew;
		crew->members[i].number = i;
		crew->members[i].report_fd = -1;
		ev_timer_init(&crew->members[i].timer, on_timer, 0, 0);
	}
	for (unsigned i = 0; i < count; i++) {
		if ((err = spawn(&crew->members[i], diag)) == 0)
			continue;
		if (i == 0) {
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
	if (crew->members)
		ev_timer_stop(crew->loop, &crew->deadline);
	free(crew->members);
	free(crew->failure);
	crew->members = NULL;
	crew->failure = NULL;
}
