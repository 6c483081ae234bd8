#include "tests/unit/fake_app.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/builder.h"
#include "shm/verify.h"

static const char manifest[] =
	"{\"version\":1,\"app\":{\"name\":\"fake:%s\",\"redirect_slashes\":true,\"wrapped\":false,"
	"\"debug\":false,\"root_path\":\"\",\"middleware\":[],\"handlers\":[],"
	"\"last_handler\":null},\"places\":0,\"objects\":[],\"routes\":[]}";

static int is(const char *app, const char *how)
{
	return !strcmp(app, how);
}

/* The master is stopped from now on, and goes on when it is time. */
static void stop_master(pid_t master, long ms)
{
	kill(master, SIGSTOP);
	if (fork())
		return;
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
	kill(master, SIGCONT);
	_exit(0);
}

static int fake_loader(const struct fr_loader_args *args)
{
	const char *app = args->app + strlen("fake:");

	if (is(app, "broken")) {
		fprintf(stderr, "Traceback: line 1\n  line \"2\"\n");
		return 1;
	}
	if (is(app, "silent"))
		return 0;
	if (is(app, "garbage"))
		return dprintf(args->manifest_fd, "{]") < 0;
	if (is(app, "aborts"))
		abort();
	if (is(app, "big")) {
		static char block[65536];

		while (write(args->manifest_fd, block, sizeof block) > 0)
			;
		return 0;
	}
	if (is(app, "slow"))
		pause();
	if (is(app, "stops_master"))
		stop_master(getppid(), 1500);
	if (is(app, "leaves_child") && fork() == 0) {
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause(); /* holds the pipes open */
	}
	if (is(app, "talks")) {
		printf("printed while imported\n");
		fflush(stdout);
	}
	return dprintf(args->manifest_fd, manifest, app) < 0;
}

static void report(const struct fr_heritage *h, enum fr_report_kind kind, const char *text)
{
	char buf[1024];
	struct fr_report head = { kind, (uint32_t)strlen(text) };

	memcpy(buf, &head, sizeof head);
	memcpy(buf + sizeof head, text, strlen(text));
	if (write(h->master_fd, buf, sizeof head + strlen(text)) < 0)
		_exit(9);
}

/* Every descriptor must be one that the heritage names. */
static const char *check_fds(const struct fr_heritage *h)
{
	static char bad[512];
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		int fd = atoi(e->d_name), known = fd <= 2 || fd == dirfd(dir);

		known |= fd == h->image_fd || fd == h->master_fd || fd == h->log_fd;
		for (size_t i = 0; i < h->nlisteners; i++)
			known |= fd == h->listeners[i].fd;
		if (e->d_name[0] != '.' && !known)
			snprintf(bad, sizeof bad, "leaked descriptor %.200s", e->d_name);
	}
	closedir(dir);
	return *bad ? bad : NULL;
}

static volatile sig_atomic_t told;

static void on_term(int signo)
{
	told = signo;
}

/* The worker that a spare was told to make: its socket, and its number in h. */
static int take_order(struct fr_heritage *h)
{
	struct fr_spare_order order;
	struct iovec part = { &order, sizeof order };
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(__alignof__(struct cmsghdr))));
	struct msghdr message = { .msg_iov = &part,
		                  .msg_iovlen = 1,
		                  .msg_control = room,
		                  .msg_controllen = sizeof room };
	int fd;

	if (recvmsg(h->master_fd, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof order)
		_exit(0);
	memcpy(&fd, CMSG_DATA((struct cmsghdr *)(void *)room), sizeof fd);
	h->worker = order.worker;
	return fd;
}

static void answer_order(const struct fr_heritage *h, int32_t pid)
{
	struct {
		struct fr_report head;
		struct fr_spare_forked forked;
	} answer = { { FR_REPORT_FORKED, sizeof answer.forked }, { h->worker, pid } };

	if (write(h->master_fd, &answer, sizeof answer) < 0)
		_exit(9);
}

static int32_t fork_orphan(const struct fr_heritage *h)
{
	int32_t pid = 0;
	pid_t middle;
	int fds[2];

	if (pipe(fds) < 0)
		_exit(9);
	middle = fork();
	if (middle == 0) {
		pid = fork();
		if (pid)
			_exit(write(fds[1], &pid, sizeof pid) < 0);
		while (getppid() != h->master_pid)
			nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	} else if (read(fds[0], &pid, sizeof pid) < 0 || waitpid(middle, NULL, 0) < 0) {
		pid = -1;
	}
	close(fds[0]);
	close(fds[1]);
	return pid;
}

/* Reports of a kind that nobody knows. */
static void chatter(const struct fr_heritage *h)
{
	const struct fr_report head = { .kind = 77 };

	for (int i = 0; i < FAKE_CHATTER; i++)
		if (write(h->master_fd, &head, sizeof head) < 0)
			_exit(9);
}

/* Returns in a process that is a worker. */
static void be_spare(struct fr_heritage *h, const char *app)
{
	if (is(app, "stops_master"))
		stop_master(h->master_pid, 1500);
	report(h, FR_REPORT_PARKED, is(app, "spare_once") ? "a reason" : "");
	for (;;) {
		int fd = take_order(h);
		int32_t pid = 1; /* not the master's child */

		if (is(app, "spare_silent"))
			pause();
		if (is(app, "stops_master"))
			stop_master(h->master_pid, 4000);
		if (is(app, "spare_dies"))
			_exit(7);
		if (!is(app, "spare_lies") && !is(app, "spare_once"))
			pid = fork_orphan(h);
		if (pid == 0 || is(app, "spare_once")) {
			close(h->master_fd);
			h->master_fd = fd;
			prctl(PR_SET_NAME, "fastrapid-w", 0, 0, 0);
			prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
			return;
		}
		answer_order(h, pid);
		close(fd);
	}
}

/* Waits for an order, or for a signal that mask lets through. */
static bool is_told_to_stop(const struct fr_heritage *h, const sigset_t *mask)
{
	struct pollfd p = { .fd = h->master_fd, .events = POLLIN };
	char order;

	return ppoll(&p, 1, NULL, mask) > 0 &&
	       (read(h->master_fd, &order, 1) <= 0 || order == FR_ORDER_STOP);
}

static int fake_worker(const struct fr_heritage *given)
{
	struct fr_heritage own = *given, *h = &own;

	const char *app = h->config->app + strlen("fake:"), *bad = check_fds(h);
	const struct fr_image *image;
	struct sigaction act = { .sa_handler = on_term };
	struct fr_diag diag = { 0 };
	sigset_t mask, none;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigemptyset(&none);
	for (int i = 1; i <= 31; i++)
		if (sigismember(&mask, i))
			bad = "signals are blocked";
	if (fr_image_map(h->image_fd, h->image_size, &image, &diag) < 0 ||
	    fr_image_verify(image, h->image_size, &diag) < 0)
		bad = diag.message;
	if (bad || is(app, "fails")) {
		report(h, FR_REPORT_FAILED, bad ? bad : "Traceback of the lifespan");
		return 1;
	}
	if (is(app, "dies"))
		return 3;
	if (is(app, "chatters"))
		chatter(h);
	if (h->spare && is(app, "no_spare")) {
		report(h, FR_REPORT_FAILED, "Traceback of the spare");
		return 1;
	}
	if (h->spare)
		be_spare(h, app);
	if (is(app, "one_dies") && h->worker == 1)
		raise(SIGKILL);
	if (is(app, "hangs"))
		for (;;)
			pause();
	sigprocmask(SIG_BLOCK, (sigemptyset(&mask), sigaddset(&mask, SIGTERM), &mask), NULL);
	sigaction(SIGTERM, &act, NULL);
	if (is(app, "stops_master") && !given->spare)
		stop_master(h->master_pid, 1500);
	report(h, FR_REPORT_READY, "");
	if (is(app, "brief")) {
		char order;

		/* Who is told to serve counts as ready. */
		if (read(h->master_fd, &order, 1) == 1 && order == FR_ORDER_ACCEPT)
			raise(SIGSEGV);
		return 0;
	}
	if (is(app, "stuck"))
		for (;;)
			pause(); /* SIGTERM stays blocked */
	while (!told && !is_told_to_stop(h, &none))
		;
	return 0;
}

const struct fr_entries fake_entries = { fake_worker, fake_loader, "3.11.2", "8.1.0", "0.0.1" };
