#include "workers/spare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "workers/process.h"

#define THREAD_LOOKS 200 /* at threads that may be about to end */
#define THREAD_PAUSE 5000000 /* ns */

/* ---- whether it can be forked ---- */

typedef void entry_fn(void *data, int number, int dir);

/* Calls fn for each entry of a folder of /proc whose names are numbers; dir is its descriptor. */
static int each(const char *path, entry_fn *fn, void *data)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return -1;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			fn(data, atoi(e->d_name), dirfd(dir));
	closedir(dir);
	return 0;
}

static void note_open(void *data, int fd, int dir)
{
	struct fr_spare_fds *before = data;

	if (fd < FR_SPARE_FDS && fd != dir)
		before->open[fd] = 1;
}

void fr_spare_look(struct fr_spare_fds *before)
{
	memset(before, 0, sizeof *before);
	each("/proc/self/fd", note_open,
	     before); /* where it can't be read, fr_spare_wait says so */
}

struct verdict {
	const struct fr_spare_fds *before;
	char *why;
};

/*
 * Two processes can have a device, a folder, and a file that is only ever
 * written at its end.  All else has a position, a lock, a peer or a queue
 * that they would share without knowing.
 */
static void judge_open(void *data, int fd, int dir)
{
	struct verdict *v = data;
	char link[32], name[FR_SPARE_WHY];
	struct stat st;
	ssize_t n;

	if (fd == dir || (fd < FR_SPARE_FDS && v->before->open[fd]) || *v->why ||
	    fstat(fd, &st) < 0 || S_ISCHR(st.st_mode) || S_ISDIR(st.st_mode) ||
	    (S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & O_APPEND)))
		return;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof name - 1);
	name[n > 0 ? n : 0] = 0;
	snprintf(v->why, FR_SPARE_WHY, "the import left descriptor %d open: %.100s", fd, name);
}

static void count_one(void *data, int number, int dir)
{
	(void)number;
	(void)dir;
	++*(unsigned *)data;
}

/* 0: they can't be counted. */
static unsigned count_threads(void)
{
	const struct timespec pause = { 0, THREAD_PAUSE };
	unsigned n = 0;

	for (int i = 0; i < THREAD_LOOKS; i++) {
		n = 0;
		if (each("/proc/self/task", count_one, &n) < 0)
			return 0;
		if (n == 1)
			break;
		/* One that was joined may be there for a moment; others may need the GIL to end. */
		Py_BEGIN_ALLOW_THREADS nanosleep(&pause, NULL);
		Py_END_ALLOW_THREADS
	}
	return n;
}

/* Why a fork would not be what the application thinks that it is; "": it is. */
static void judge(const struct fr_spare_fds *before, char why[FR_SPARE_WHY])
{
	struct verdict v = { before, why };
	unsigned threads = count_threads();
	siginfo_t info;

	*why = 0;
	if (threads > 1)
		snprintf(why, FR_SPARE_WHY, "the import left %u threads running", threads - 1);
	else if (threads == 0 || each("/proc/self/fd", judge_open, &v) < 0)
		snprintf(why, FR_SPARE_WHY, "/proc can't be read");
	else if (!*why &&
	         (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD))
		snprintf(why, FR_SPARE_WHY, "the import left a subprocess running");
}

/* ---- the master ---- */

static void report(int fd, uint32_t kind, const void *text, size_t len)
{
	struct fr_report head = { kind, (uint32_t)len };
	struct iovec parts[2] = { { &head, sizeof head }, { (void *)(uintptr_t)text, len } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		_exit(0); /* there is no master */
}

/* The next order and the descriptor that came with it.  Ends the process when there are none to come. */
static int next_order(int fd, struct fr_spare_order *ret)
{
	struct iovec part = { ret, sizeof *ret };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control };
	int passed;
	ssize_t n;

	do {
		message.msg_controllen = CMSG_LEN(sizeof(int));
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof *ret || message.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    control.head.cmsg_type != SCM_RIGHTS)
		_exit(0);
	memcpy(&passed, CMSG_DATA(&control.head), sizeof passed);
	return passed;
}

/* ---- becoming a worker ---- */

/* What the master does for a worker that it forks. */
static void take_over(struct fr_heritage *h, const struct fr_spare_order *order, int fd)
{
	char name[16];

	close(h->master_fd);
	h->master_fd = fd;
	h->worker = order->worker;
	h->spare = false;
	signal(SIGINT, SIG_DFL);
	snprintf(name, sizeof name, FR_WORKER_NAME, h->worker);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, FR_ORPHAN_SIGNAL, 0, 0, 0);
	if (getppid() != h->master_pid)
		_exit(0);
}

/*
 * The worker waits for the one between it and the spare to be gone: from then
 * on its parent is the master.
 */
static void wait_for_parent(int link)
{
	int32_t pid = (int32_t)getpid();
	ssize_t n;
	char go;

	setpgid(0, 0);
	if (send(link, &pid, sizeof pid, MSG_NOSIGNAL) < 0)
		_exit(0);
	do
		n = recv(link, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(0); /* the spare is gone, and nobody knows of us */
	close(link);
}

/* Where the one in the middle ends, the worker's pid is known. */
static int32_t pid_of_worker(int link, pid_t middle)
{
	int32_t pid = 0;
	ssize_t n;
	int status;

	do
		n = recv(link, &pid, sizeof pid, 0);
	while (n < 0 && errno == EINTR);
	while (waitpid(middle, &status, 0) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof pid ? pid : 0;
}

/* Returns 1 in the worker, 0 in the spare, -1 (errno) if there is no worker. */
static int fork_worker(const struct fr_heritage *h, const struct fr_spare_order *order)
{
	struct fr_spare_forked forked = { order->worker, 0 };
	pid_t middle;
	int link[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) < 0)
		return -1;
	PyOS_BeforeFork();
	middle = fork();
	if (middle == 0) {
		pid_t pid = fork();

		if (pid != 0)
			_exit(pid < 0 ? 1 : 0);
		close(link[0]);
		wait_for_parent(link[1]);
		PyOS_AfterFork_Child();
		return 1;
	}
	close(link[1]);
	if (middle > 0)
		forked.pid = pid_of_worker(link[0], middle);
	PyOS_AfterFork_Parent();
	if (forked.pid > 0) {
		report(h->master_fd, FR_REPORT_FORKED, &forked, sizeof forked);
		send(link[0], "", 1, MSG_NOSIGNAL);
	}
	close(link[0]);
	return forked.pid > 0 ? 0 : -1;
}

/* What a worker imports on its way from here to being ready, and output that would be written twice. */
static int prepare(void)
{
	static const char code[] =
		"import anyio._backends._asyncio, anyio.to_thread, asyncio, sys\n"
		"for file in (sys.stdout, sys.stderr):\n"
		"    if file is not None:\n"
		"        file.flush()\n";
	PyObject *names = PyDict_New();
	PyObject *done = names ? PyRun_String(code, Py_file_input, names, names) : NULL;

	Py_XDECREF(names);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

int fr_spare_wait(struct fr_heritage *h, const struct fr_spare_fds *before)
{
	struct fr_spare_order order;
	char why[FR_SPARE_WHY];

	if (prepare() < 0)
		return -1;
	signal(SIGINT, SIG_IGN); /* a terminal sends it to all of us */
	judge(before, why);
	report(h->master_fd, FR_REPORT_PARKED, why, strlen(why));
	for (;;) {
		int fd, forked;

		Py_BEGIN_ALLOW_THREADS fd = next_order(h->master_fd, &order);
		Py_END_ALLOW_THREADS if (order.worker == FR_SPARE_REOPEN)
		{
			fr_process_take_log(h, fd);
			continue;
		}
		forked = *why ? 1 : fork_worker(h, &order);
		if (forked > 0) {
			take_over(h, &order, fd);
			return 0;
		}
		close(fd);
		if (forked < 0) {
			struct fr_spare_forked none = { order.worker, 0 };

			fr_log(FR_WARNING, "the spare can't be forked: %s", strerror(errno));
			report(h->master_fd, FR_REPORT_FORKED, &none, sizeof none);
		}
	}
}
