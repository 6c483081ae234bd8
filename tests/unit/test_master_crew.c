/*
 * master/: loader.c, compile.c, crew.c, master.c, main.c, with entry points
 * that know no Python.
 *
 * The program executes itself as the daemon, so that start, signals, exit
 * codes and sanitizer reports are those of a real process.  The application's
 * name says how loader and worker behave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "master/heritage.h"
#include "shm/builder.h"
#include "shm/verify.h"

static const char manifest[] =
	"{\"version\":1,\"app\":{\"name\":\"fake:%s\",\"redirect_slashes\":true,\"wrapped\":false,"
	"\"debug\":false,\"root_path\":\"\",\"middleware\":[],\"handlers\":[],"
	"\"last_handler\":null},\"places\":0,\"objects\":[],\"routes\":[]}";

/* ---- the fake application ---- */

static int is(const char *app, const char *how)
{
	return !strcmp(app, how);
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

/* Returns in a process that is a worker. */
static void be_spare(struct fr_heritage *h, const char *app)
{
	report(h, FR_REPORT_PARKED, is(app, "spare_once") ? "a reason" : "");
	for (;;) {
		int fd = take_order(h);
		int32_t pid = 1; /* not the master's child */

		if (is(app, "spare_silent"))
			pause();
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
	report(h, FR_REPORT_READY, "");
	if (is(app, "stuck"))
		for (;;)
			pause(); /* SIGTERM stays blocked */
	while (!told)
		sigsuspend(&none);
	return 0;
}

static const struct fr_entries entries = { fake_worker, fake_loader, "3.11.2", "8.1.0", "0.0.1" };

/* ---- the daemon, seen from outside ---- */

static char folder[] = "/tmp/fr-test-crew-XXXXXX";
static char log_path[64], sock_path[64], listen_arg[80], pid_path[64], conf_path[64];
static char text[200000];

static const char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static pid_t daemon_with(const char *const args[])
{
	const char *argv[20] = { "fastrapid" };
	pid_t pid;

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	unlink(log_path);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		setenv("FR_TEST_DAEMON", "1", 1);
		execv("/proc/self/exe", (char **)(uintptr_t)argv);
		_exit(125);
	}
	return pid;
}

static pid_t daemon_of(const char *app, const char *workers)
{
	const char *const args[] = { "--app",    app,        "--workers", workers,
		                     "--listen", listen_arg, NULL };

	return daemon_with(args);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
}

/* Until the log says words, ten seconds at most. */
static void wait_for(const char *words)
{
	for (int i = 0; i < 1000; i++) {
		if (strstr(slurp(log_path), words))
			return;
		nap();
	}
	fail_msg("\"%s\" never came in: %s", words, slurp(log_path));
}

static int exit_code(pid_t pid)
{
	int status;

	for (int i = 0; i < 1500; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		nap();
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	fail_msg("it did not end: %s", slurp(log_path));
	return -1;
}

/* Nothing that the daemon started may be left: all of it has our folder on its command line or is gone. */
static void nobody_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_not_equal(access(sock_path, F_OK), 0);
	assert_null(strstr(slurp(log_path), "Sanitizer"));
}

static void has(const char *words)
{
	if (!strstr(slurp(log_path), words))
		fail_msg("\"%s\" is not in: %s", words, text);
}

/* The oldest child of the master; name: only one that is called so. */
static pid_t child_pid(pid_t master, const char *name)
{
	char path[64], children[256], *at = children, *end;
	pid_t pid;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)master, (int)master);
	snprintf(children, sizeof children, "%.255s", slurp(path));
	while ((pid = (pid_t)strtol(at, &end, 10)) > 0) {
		snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
		if (!name || !strncmp(slurp(path), name, strlen(name)))
			return pid;
		at = end;
	}
	return 0;
}

static pid_t worker_pid(pid_t master)
{
	return child_pid(master, "fastrapid-w");
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(log_path, sizeof log_path, "%s/log", folder);
	snprintf(sock_path, sizeof sock_path, "%s/sock", folder);
	snprintf(listen_arg, sizeof listen_arg, "unix:%s", sock_path);
	snprintf(pid_path, sizeof pid_path, "%s/pid", folder);
	snprintf(conf_path, sizeof conf_path, "%s/conf", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(log_path);
	unlink(conf_path);
	return rmdir(folder);
}

static void test_starts_and_stops(void **state)
{
	const int signals[] = { SIGTERM, SIGINT };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pid_t pid = daemon_of("fake:ok", "3");

		wait_for("ready: fake:ok, 0 routes, 3 workers");
		assert_int_equal(access(sock_path, F_OK), 0);
		kill(pid, signals[i]);
		assert_int_equal(exit_code(pid), 0);
		has("stopped");
		assert_null(strstr(slurp(log_path), " error "));
		nobody_left();
	}
}

static void test_fast_stop(void **state)
{
	pid_t pid = daemon_of("fake:ok", "2");

	(void)state;
	wait_for("ready:");
	kill(pid, SIGQUIT); /* the fake worker leaves it at its default */
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static void test_second_signal_kills(void **state)
{
	pid_t pid = daemon_of("fake:stuck", "2");

	(void)state;
	wait_for("ready:");
	kill(pid, SIGTERM);
	wait_for("stopping");
	kill(pid, SIGTERM); /* too early to be another one */
	usleep((unsigned)(FR_SIGNALS_ARE_ONE * 1e6) + 100000);
	assert_null(strstr(slurp(log_path), "at once"));
	kill(pid, SIGTERM);
	wait_for("at once");
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static void loader_fails(const char *app, const char *words, const char *more)
{
	pid_t pid = daemon_of(app, "1");

	assert_int_equal(exit_code(pid), 1);
	has(words);
	has(more);
	nobody_left();
}

static void test_loader_failures(void **state)
{
	(void)state;
	loader_fails("fake:broken", "\"fake:broken\" can't be loaded (exit code 1)\n",
	             "\nTraceback: line 1\n  line \"2\"\n");
	loader_fails("fake:silent", "gave no manifest", "fastrapid: ");
	loader_fails("fake:garbage", "fastrapid: ", "manifest");
	loader_fails("fake:aborts", "was ended by signal 6", "Aborted");
}

static pid_t daemon_conf(const char *conf)
{
	const char *const args[] = { "-c", conf_path, NULL };
	FILE *f = fopen(conf_path, "w");

	assert_non_null(f);
	fputs(conf, f);
	fclose(f);
	return daemon_with(args);
}

static void test_loader_limits(void **state)
{
	pid_t pid = daemon_conf("{\"app\": \"fake:big\", \"listen\": [\"unix:sock\"],"
	                        "\"limits\": {\"manifest\": \"1M\"}}");

	(void)state;
	assert_int_equal(exit_code(pid), 1);
	has("larger than limits.manifest (1048576 bytes)");
	nobody_left();
	pid = daemon_conf("{\"app\": \"fake:slow\", \"listen\": [\"unix:sock\"], \"timeouts\": "
	                  "{\"start\": 0.3}}");
	assert_int_equal(exit_code(pid), 1);
	has("not loaded within timeouts.start (0.3 s)");
	nobody_left();
}

static void test_loader_is_stopped(void **state)
{
	pid_t pid = daemon_of("fake:slow", "1");
	pid_t loader = 0;

	(void)state;
	for (int i = 0; i < 500 && !loader; i++) {
		nap();
		loader = child_pid(pid, NULL);
	}
	assert_true(loader > 0);
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	assert_int_equal(kill(loader, 0), -1);
	nobody_left();
}

static void test_loader_prints_and_leaves_children(void **state)
{
	pid_t pid = daemon_of("fake:talks", "1");

	(void)state;
	wait_for("ready:");
	has("printed while imported");
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	pid = daemon_of("fake:leaves_child", "1");
	wait_for("ready:");
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static void test_worker_cannot_start(void **state)
{
	pid_t pid = daemon_of("fake:fails", "2");

	(void)state;
	assert_int_equal(exit_code(pid), 1);
	has("could not start");
	has("Traceback of the lifespan");
	nobody_left();
	pid = daemon_of("fake:dies", "2");
	assert_int_equal(exit_code(pid), 1);
	has("exited with code 3 before it was ready");
	nobody_left();
	pid = daemon_of("fake:one_dies", "3");
	assert_int_equal(exit_code(pid), 1);
	has("worker 1 was ended by signal 9 (Killed) before it was ready");
	nobody_left();
	pid = daemon_conf("{\"app\": \"fake:hangs\", \"listen\": [\"unix:sock\"], \"workers\": 2,"
	                  "\"timeouts\": {\"start\": 0.5}}");
	assert_int_equal(exit_code(pid), 1);
	has("was not ready within timeouts.start (0.5 s)");
	nobody_left();
}

static void test_dead_worker_is_replaced(void **state)
{
	pid_t pid = daemon_of("fake:ok", "1"), first, second;

	(void)state;
	wait_for("ready:");
	first = worker_pid(pid);
	kill(first, SIGKILL);
	wait_for("was ended by signal 9 (Killed); it is started again");
	wait_for(") is ready");
	second = worker_pid(pid);
	assert_true(second > 0 && second != first);
	kill(second, SIGSEGV);
	wait_for("started again in 0."); /* it has not lived long enough to return at once */
	kill(pid, SIGTERM); /* also while it waits to start one again */
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

/* Kills the worker, and waits for another one. */
static pid_t next_worker(pid_t master)
{
	pid_t first = worker_pid(master), next = 0;

	nanosleep(&(struct timespec){ 0, 300000000 }, NULL); /* it has settled */
	assert_int_equal(kill(first, SIGKILL), 0);
	wait_for(") is ready");
	next = worker_pid(master);
	assert_true(next > 0 && next != first);
	return next;
}

static void ends(pid_t pid)
{
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	nobody_left();
}

static void test_a_spare_is_forked(void **state)
{
	pid_t pid = daemon_of("fake:ok", "1"), spare, worker;

	(void)state;
	wait_for("of generation 1 stands by\n");
	spare = child_pid(pid, "fastrapid-spare");
	assert_true(spare > 0);
	worker = next_worker(pid);
	assert_true(worker != spare);
	assert_int_equal(child_pid(pid, "fastrapid-spare"), spare);
	assert_null(strstr(slurp(log_path), "again in"));
	ends(pid);
}

static void test_a_spare_is_used_up(void **state)
{
	pid_t pid = daemon_of("fake:spare_once", "1"), spare;

	(void)state;
	wait_for("of generation 1 stands by for one worker: a reason\n");
	spare = child_pid(pid, "fastrapid-spare");
	assert_int_equal(next_worker(pid), spare);
	ends(pid);
}

/* Without a spare, and with one that is of no use, a worker is started from the beginning. */
static void test_no_use_of_a_spare(void **state)
{
	static const struct {
		const char *app, *words;
	} list[] = {
		{ "fake:no_spare",
		  "the spare of generation 1 could not be loaded\n  Traceback of the spare" },
		{ "fake:spare_dies", "exited with code 7: another in 0.1 s" },
		{ "fake:spare_silent", "does not answer: killed" },
		{ "fake:spare_lies", "stands by" },
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		pid_t pid = daemon_of(list[i].app, "1"), spare;

		wait_for(i ? "stands by" : "another in 1.0 s");
		spare = child_pid(pid, "fastrapid-spare");
		assert_true(next_worker(pid) != spare);
		has(list[i].words);
		ends(pid);
	}
}

static void test_a_spare_that_dies_returns(void **state)
{
	pid_t pid = daemon_of("fake:ok", "1"), spare;

	(void)state;
	wait_for("stands by");
	spare = child_pid(pid, "fastrapid-spare");
	kill(spare, SIGKILL);
	wait_for("was ended by signal 9 (Killed): another in 0.1 s");
	for (int i = 0; i < 500 && !child_pid(pid, "fastrapid-spare"); i++)
		nap();
	assert_true(child_pid(pid, "fastrapid-spare") > 0);
	ends(pid);
}

static void test_a_spare_is_not_wanted(void **state)
{
	pid_t pid =
		daemon_conf("{\"app\": \"fake:ok\", \"listen\": [\"unix:sock\"], \"workers\": 1,"
	                    "\"spare\": false}");

	(void)state;
	wait_for("ready:");
	next_worker(pid);
	assert_int_equal(child_pid(pid, "fastrapid-spare"), 0);
	assert_null(strstr(slurp(log_path), "spare"));
	ends(pid);
}

static void test_workers_follow_the_master(void **state)
{
	pid_t pid = daemon_of("fake:ok", "1"), worker, spare;

	(void)state;
	wait_for("stands by");
	worker = worker_pid(pid);
	spare = child_pid(pid, "fastrapid-spare");
	kill(pid, SIGKILL);
	assert_int_equal(exit_code(pid), -SIGKILL);
	for (int i = 0; i < 200 && (kill(worker, 0) == 0 || kill(spare, 0) == 0); i++)
		nap();
	assert_int_equal(kill(worker, 0), -1);
	assert_int_equal(kill(spare, 0), -1);
	unlink(sock_path);
}

static void test_pid_file_and_log_file(void **state)
{
	struct stat st;
	char own[64];
	pid_t pid =
		daemon_conf("{\"app\": \"fake:ok\", \"listen\": [\"unix:sock\"], \"workers\": 1,"
	                    "\"pid_file\": \"pid\", \"log\": {\"file\": \"own.log\"}}");

	(void)state;
	snprintf(own, sizeof own, "%s/own.log", folder);
	for (int i = 0; i < 1000 && !strstr(slurp(own), "ready:"); i++)
		nap();
	assert_non_null(strstr(slurp(own), "ready: fake:ok"));
	assert_int_equal(atoi(slurp(pid_path)), pid);
	assert_int_equal(stat(sock_path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
	assert_int_not_equal(access(pid_path, F_OK), 0);
	assert_string_equal(slurp(log_path), "");
	unlink(own);
	nobody_left();
}

/* Until nobody answers on the socket: a worker outlives a killed master by a moment. */
static void wait_for_silence(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int refused = 0;

	memcpy(sun.sun_path, sock_path, sizeof sock_path);
	for (int i = 0; i < 1000 && !refused; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		assert_true(fd >= 0);
		refused = connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0 &&
		          errno == ECONNREFUSED;
		close(fd);
		if (!refused)
			nap();
	}
	assert_true(refused);
}

static void test_address_in_use(void **state)
{
	pid_t first = daemon_of("fake:ok", "1"), second;
	char line[512];

	(void)state;
	wait_for("ready:");
	second = daemon_of("fake:ok", "1");
	assert_int_equal(exit_code(second), 1);
	snprintf(line, sizeof line, "%s: another server listens here already", listen_arg);
	has(line);
	assert_int_equal(access(sock_path, F_OK), 0);
	kill(first, SIGKILL);
	exit_code(first);
	wait_for_silence();
	second = daemon_of("fake:ok", "1"); /* the file that the first one left is stale */
	wait_for("ready:");
	kill(second, SIGTERM);
	assert_int_equal(exit_code(second), 0);
	nobody_left();
}

static void prints(const char *const args[], int code, const char *words)
{
	pid_t pid = daemon_with(args);

	assert_int_equal(exit_code(pid), code);
	has(words);
	nobody_left();
}

static void test_command_line(void **state)
{
	(void)state;
	prints((const char *const[]){ "-t", "--app", "fake:ok", NULL }, 0,
	       "application fake:ok: 0 routes ok\n");
	prints((const char *const[]){ "-t", "--app", "fake:broken", NULL }, 1,
	       "\nTraceback: line 1\n");
	prints((const char *const[]){ "--dump", "manifest", "--app", "fake:ok", NULL }, 0,
	       "\"fake:ok\"");
	prints((const char *const[]){ "--dump=image", "--app", "fake:ok", NULL }, 0, "fake:ok");
	prints((const char *const[]){ "--explain", "GET /x", "--app", "fake:ok", NULL }, 1, "404");
	prints((const char *const[]){ "-T", "--workers", "7", NULL }, 0, "\"workers\": 7");
	prints((const char *const[]){ "--version", NULL }, 0, "Python 3.11.2\n");
	prints((const char *const[]){ "--help", NULL }, 0, "--explain 'METHOD PATH'");
	prints((const char *const[]){ NULL }, 2, "nothing to serve");
	prints((const char *const[]){ "--worker", "1", NULL }, 2, "is it --workers?");
	prints((const char *const[]){ "-x", NULL }, 2, "found the unknown option -x");
	prints((const char *const[]){ "x", NULL }, 2, "found the unknown argument x");
	prints((const char *const[]){ "--workers", NULL }, 2, "--workers: expected N after it");
	prints((const char *const[]){ "--workers=", NULL }, 2, "--workers=: expected N after it");
	prints((const char *const[]){ "-t", "-T", NULL }, 2, "only one of");
	prints((const char *const[]){ "--dump", "x", NULL }, 2, "expected manifest or image");
	prints((const char *const[]){ "--explain", "/x", NULL }, 2, "expected a method and a path");
	prints((const char *const[]){ "--app", "fake", NULL }, 1,
	       "--app: found \"fake\", expected");
	prints((const char *const[]){ "--loader", NULL }, 2, "for the master's use only");
	prints((const char *const[]){ "-c", "/nonexistent", NULL }, 1, "No such file");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_and_stops),
		cmocka_unit_test(test_fast_stop),
		cmocka_unit_test(test_second_signal_kills),
		cmocka_unit_test(test_loader_failures),
		cmocka_unit_test(test_loader_limits),
		cmocka_unit_test(test_loader_is_stopped),
		cmocka_unit_test(test_loader_prints_and_leaves_children),
		cmocka_unit_test(test_worker_cannot_start),
		cmocka_unit_test(test_dead_worker_is_replaced),
		cmocka_unit_test(test_a_spare_is_forked),
		cmocka_unit_test(test_a_spare_is_used_up),
		cmocka_unit_test(test_no_use_of_a_spare),
		cmocka_unit_test(test_a_spare_that_dies_returns),
		cmocka_unit_test(test_a_spare_is_not_wanted),
		cmocka_unit_test(test_workers_follow_the_master),
		cmocka_unit_test(test_pid_file_and_log_file),
		cmocka_unit_test(test_address_in_use),
		cmocka_unit_test(test_command_line),
	};

	if (getenv("FR_TEST_DAEMON"))
		return fr_master_main(argc, argv, &entries);
	return cmocka_run_group_tests_name("master_crew", tests, setup, teardown);
}
