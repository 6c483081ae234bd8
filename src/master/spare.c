#include "master/spare.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "master/child.h"
#include "master/spawn.h"

#define START_DELAY 1.0 /* its import is not to hold up those that begin or cease to serve */
#define AGAIN_SOON 0.1 /* it had stood by */
#define AGAIN_FIRST 1.0 /* it could not even be loaded: the files have changed, most likely */
#define AGAIN_MOST 60.0
#define SETTLED 5.0 /* one that stood by for this long was in order */

#define SPARE_OF(watcher, field)                                                                   \
	((struct fr_spare *)((char *)(watcher)-offsetof(struct fr_spare, field)))

const char *fr_spare_state_name(enum fr_spare_state state)
{
	static const char *const names[] = { "none", "waiting", "loading", "parked", "ending" };

	return names[state];
}

static void become(struct fr_spare *spare, enum fr_spare_state state)
{
	spare->state = state;
	if (state != FR_SPARE_PARKED)
		spare->why[0] = 0;
	spare->events.on_change(spare->events.data);
}

static void close_socket(struct fr_spare *spare)
{
	if (spare->fd < 0)
		return;
	ev_io_stop(spare->loop, &spare->io);
	close(spare->fd);
	spare->fd = -1;
}

static void wait_for(struct fr_spare *spare, double seconds)
{
	ev_now_update(spare->loop);
	ev_timer_stop(spare->loop, &spare->timer);
	ev_timer_set(&spare->timer, seconds, 0);
	ev_timer_start(spare->loop, &spare->timer);
}

static void start_again(struct fr_spare *spare, double seconds)
{
	become(spare, FR_SPARE_WAITING);
	wait_for(spare, seconds);
}

/* ---- reports ---- */

static void parked(struct fr_spare *spare, const char *why)
{
	ev_timer_stop(spare->loop, &spare->timer);
	spare->parked_at = ev_time();
	/* The application's process may have sent more. */
	snprintf(spare->why, sizeof spare->why, "%.*s", FR_SPARE_WHY - 1, why);
	become(spare, FR_SPARE_PARKED);
	if (*why)
		fr_log(FR_INFO, "the spare (pid %d) of generation %u stands by for one worker: %s",
		       (int)spare->pid, spare->heritage->generation, spare->why);
	else
		fr_log(FR_INFO, "the spare (pid %d) of generation %u stands by", (int)spare->pid,
		       spare->heritage->generation);
}

/* Reads what reports there are, most of them at most.  Returns false at their end. */
static bool read_reports(struct fr_spare *spare, unsigned most)
{
	static char buf[sizeof(struct fr_report) + FR_REPORT_MAX + 1];
	struct fr_report *report = (struct fr_report *)(void *)buf;
	char *text = buf + sizeof *report;

	while (spare->fd >= 0 && most--) {
		ssize_t n = recv(spare->fd, buf, sizeof buf - 1, MSG_DONTWAIT);
		struct fr_spare_forked forked;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < (ssize_t)sizeof *report)
			return false;
		buf[n] = 0;
		if (report->kind == FR_REPORT_PARKED && spare->state == FR_SPARE_LOADING) {
			parked(spare, text);
		} else if (report->kind == FR_REPORT_FAILED && spare->state == FR_SPARE_LOADING) {
			fr_log_text(FR_WARNING, text, spare->failures ? 0 : strlen(text),
			            "the spare of generation %u could not be loaded",
			            spare->heritage->generation);
		} else if (report->kind == FR_REPORT_FORKED &&
		           n == (ssize_t)(sizeof *report + sizeof forked)) {
			memcpy(&forked, text, sizeof forked);
			spare->events.on_forked(spare->events.data, forked.worker, forked.pid);
		}
	}
	return spare->fd >= 0;
}

static void on_report(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct fr_spare *spare = SPARE_OF(watcher, io);

	(void)loop;
	(void)revents;
	if (read_reports(spare, FR_REPORTS_TURN))
		return;
	/* Of no use without it; what becomes of it is told when it is reaped. */
	close_socket(spare);
	if (spare->pid)
		kill(spare->pid, SIGKILL);
}

void fr_spare_hear(struct fr_spare *spare)
{
	read_reports(spare, FR_REPORTS_TURN); /* their end, too, is left to on_report */
}

/* ---- life ---- */

static void launch(struct fr_spare *spare)
{
	struct fr_heritage heritage = *spare->heritage;
	struct fr_diag diag = { 0 };

	heritage.spare = true;
	/* The workers that it forks are orphans, and come to us; if not, they are not taken. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (fr_spawn(spare->loop, spare->entries, &heritage, &spare->pid, &spare->fd, &diag) < 0) {
		fr_log(FR_WARNING, "a spare can't be started: %s", diag.message);
		start_again(spare, AGAIN_MOST);
		return;
	}
	ev_io_init(&spare->io, on_report, spare->fd, EV_READ);
	ev_io_start(spare->loop, &spare->io);
	become(spare, FR_SPARE_LOADING);
	wait_for(spare, heritage.config->timeouts.start);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int revents)
{
	struct fr_spare *spare = SPARE_OF(watcher, timer);

	(void)loop;
	(void)revents;
	if (!spare->pid) {
		if (spare->held)
			wait_for(spare, START_DELAY);
		else
			launch(spare);
		return;
	}
	/* It may be us who were stopped: what was said meanwhile is heard first. */
	fr_spare_hear(spare);
	if (spare->state != FR_SPARE_LOADING || fr_child_has_ended(spare->pid))
		return;
	fr_log(FR_WARNING, "the spare (pid %d) was not loaded within timeouts.start",
	       (int)spare->pid);
	kill(spare->pid, SIGKILL);
}

void fr_spare_init(struct fr_spare *spare, struct ev_loop *loop, const struct fr_entries *entries,
                   const struct fr_heritage *heritage, struct fr_spare_events events)
{
	*spare = (struct fr_spare){
		.loop = loop, .entries = entries, .heritage = heritage, .events = events, .fd = -1
	};
	ev_timer_init(&spare->timer, on_timer, 0, 0);
}

void fr_spare_start(struct fr_spare *spare)
{
	if (spare->state == FR_SPARE_NONE && !spare->unwanted && spare->heritage->config->spare)
		start_again(spare, START_DELAY);
}

static int send_order(const struct fr_spare *spare, unsigned worker, int fd)
{
	const struct fr_spare_order order = { worker };

	return fr_spawn_send_fd(spare->fd, &order, sizeof order, fd);
}

void fr_spare_reopen_log(struct fr_spare *spare)
{
	if (spare->pid && spare->fd >= 0 &&
	    send_order(spare, FR_SPARE_REOPEN, spare->heritage->log_fd) < 0)
		fr_log(FR_WARNING, "the spare (pid %d) can't be given the log: %s", (int)spare->pid,
		       strerror(errno));
}

int fr_spare_take(struct fr_spare *spare, unsigned worker, int worker_fd, pid_t *ret_pid)
{
	if (spare->state != FR_SPARE_PARKED || spare->fd < 0)
		return FR_ENOENT;
	if (send_order(spare, worker, worker_fd) < 0) {
		fr_spare_discard(spare);
		return FR_ENOENT;
	}
	if (!spare->why[0]) {
		*ret_pid = 0;
		return 0;
	}
	*ret_pid = spare->pid;
	spare->pid = 0;
	close_socket(spare);
	become(spare, FR_SPARE_NONE);
	return 0;
}

void fr_spare_discard(struct fr_spare *spare)
{
	if (!spare->pid || spare->state == FR_SPARE_ENDING)
		return;
	fr_log(FR_WARNING, "the spare (pid %d) does not answer: killed", (int)spare->pid);
	become(spare, FR_SPARE_ENDING);
	kill(spare->pid, SIGKILL);
}

void fr_spare_end(struct fr_spare *spare)
{
	spare->unwanted = true;
	ev_timer_stop(spare->loop, &spare->timer);
	if (spare->pid) {
		become(spare, FR_SPARE_ENDING);
		kill(spare->pid, SIGKILL);
	} else {
		become(spare, FR_SPARE_NONE);
	}
}

/* One that stood by returns soon; one that could not be loaded, ever later. */
static void died(struct fr_spare *spare, pid_t pid, enum fr_spare_state was, int status)
{
	double delay = was == FR_SPARE_LOADING ? AGAIN_FIRST : AGAIN_SOON;

	if (was != FR_SPARE_LOADING && ev_time() - spare->parked_at >= SETTLED)
		spare->failures = 0;
	for (unsigned i = 0; i < spare->failures && delay < AGAIN_MOST; i++)
		delay *= 2;
	if (delay > AGAIN_MOST)
		delay = AGAIN_MOST;
	spare->failures++;
	if (was == FR_SPARE_ENDING) /* that was told */
		;
	else if (WIFSIGNALED(status))
		fr_log(FR_WARNING,
		       "the spare (pid %d) was ended by signal %d (%s): another in %.1f s",
		       (int)pid, WTERMSIG(status), strsignal(WTERMSIG(status)), delay);
	else
		fr_log(FR_WARNING, "the spare (pid %d) exited with code %d: another in %.1f s",
		       (int)pid, WEXITSTATUS(status), delay);
	start_again(spare, delay);
}

bool fr_spare_reaped(struct fr_spare *spare, pid_t pid, int status)
{
	enum fr_spare_state was;

	if (!spare->pid || pid != spare->pid)
		return false;
	read_reports(spare, FR_REPORTS_END); /* workers that it has made, before it died */
	close_socket(spare);
	ev_timer_stop(spare->loop, &spare->timer);
	was = spare->state;
	spare->pid = 0;
	if (spare->unwanted)
		become(spare, FR_SPARE_NONE);
	else
		died(spare, pid, was, status);
	spare->events.on_lost(spare->events.data);
	return true;
}

void fr_spare_fini(struct fr_spare *spare)
{
	close_socket(spare);
	ev_timer_stop(spare->loop, &spare->timer);
}
