/* The loader, from both ends: what it may send and say, how it may end. */
#include "tests/unit/is_gone.h"
#include "tests/unit/loader_world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAID FR_LOADER_SAID_MAX

/* ---- what runs as the loader ---- */

static void put(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(90); /* the master reads no more */
		p += n;
		len -= (size_t)n;
	}
}

/* The byte at place i of a long text. */
static char at_place(size_t i)
{
	return (char)('!' + i % 89);
}

static void put_many(int fd, size_t len)
{
	static char block[65536];

	for (size_t i = 0; i < len; i += sizeof block) {
		size_t n = len - i < sizeof block ? len - i : sizeof block;

		for (size_t k = 0; k < n; k++)
			block[k] = at_place(i + k);
		put(fd, block, n);
	}
}

static void tell_arguments(const struct fr_loader_args *a)
{
	dprintf(a->manifest_fd, "%s|%s|%s|%s|%s|%llu|%d", a->app, a->app_dir,
	        a->python ? a->python : "-", a->user ? a->user : "-", a->group ? a->group : "-",
	        (unsigned long long)a->hash_seed, a->serve_fastapi_imports);
}

/* Descriptors, signals, standard input, process group: as they should be, or not. */
static void tell_surroundings(int out)
{
	DIR *dir = opendir("/proc/self/fd");
	sigset_t mask;
	int blocked = 0, fds = 0;
	struct dirent *e;
	char c;

	while (dir && (e = readdir(dir)))
		fds += e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir);
	closedir(dir);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i <= 31; i++)
		blocked += sigismember(&mask, i);
	dprintf(out, "%d descriptors, %d blocked, %zd read, group %s", fds, blocked, read(0, &c, 1),
	        getpgrp() == getpid() ? "own" : "another");
}

/* As fast as the master can read, or faster. */
static _Noreturn void babble(void)
{
	static char noise[1 << 20];

	for (;;)
		put(2, noise, sizeof noise);
}

/* A process that holds the pipes open and can't be asked to end. */
static pid_t leave_child(bool talks)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGTERM, SIG_IGN);
	if (talks)
		babble();
	for (;;)
		pause();
}

static int fake_loader(const struct fr_loader_args *args)
{
	unsigned long n = 0;
	char how[32] = "";
	int out = args->manifest_fd;

	sscanf(args->app, "fake:%31[a-z_]%lu", how, &n);
	if (!strcmp(how, "arguments")) {
		tell_arguments(args);
	} else if (!strcmp(how, "surroundings")) {
		tell_surroundings(out);
	} else if (!strcmp(how, "manifest")) {
		put_many(out, n);
	} else if (!strcmp(how, "says")) {
		put_many(2, n);
		put(out, "{}", 2);
	} else if (!strcmp(how, "floods")) {
		fcntl(2, F_SETPIPE_SZ, (int)n);
		put_many(2, n);
		put(out, "{}", 2);
	} else if (!strcmp(how, "exits")) {
		put(out, "{}", 2);
		fprintf(stderr, "no such module\n");
		return (int)n;
	} else if (!strcmp(how, "dies")) {
		put_many(out, 100);
		fprintf(stderr, "half of it\n");
		raise((int)n);
	} else if (!strcmp(how, "silent")) {
		fprintf(stderr, "nothing to tell\n");
	} else if (!strcmp(how, "hangs")) {
		signal(SIGTERM, SIG_IGN);
		fprintf(stderr, "child %d\n", (int)leave_child(false));
		close(out);
		for (;;)
			pause();
	} else if (!strcmp(how, "mute")) {
		close(out);
		close(1);
		close(2);
		for (;;)
			pause();
	} else if (!strcmp(how, "babbles")) {
		babble();
	} else if (!strcmp(how, "leaves")) {
		dprintf(out, "%d", (int)leave_child(n));
	}
	return 0;
}

/* ---- the master ---- */

static struct loader_world w;
static struct fr_loader loader;

static void start(const char *app)
{
	loader_world_init(&w, app);
	w.loader = &loader;
}

static void run(void)
{
	struct fr_diag diag;
	int err = fr_loader_start(&loader, w.loop, &w.config, 7, loader_world_on_done, &w, &diag);

	if (err < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	loader_world_run(&w);
	assert_int_equal(loader.pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(loader.ret.said[loader.ret.said_len], 0);
	if (w.err < 0) {
		assert_null(loader.ret.manifest);
		assert_int_equal(loader.ret.len, 0);
		assert_int_equal(loader.diag.code, w.err);
	}
}

static void end(void)
{
	fr_loaded_fini(&loader.ret);
	loader_world_fini(&w);
}

/* Fails with that error and message. */
static void fails(int err, const char *message)
{
	assert_int_equal(w.err, err);
	assert_string_equal(loader.diag.message, message);
	assert_string_equal(loader.diag.where, "loader");
}

static void gives(const char *manifest)
{
	assert_int_equal(w.err, 0);
	assert_string_equal(loader.ret.manifest, manifest);
	assert_int_equal(loader.ret.len, strlen(manifest));
}

static void test_arguments_arrive(void **state)
{
	(void)state;
	start("fake:arguments");
	free(w.config.app_dir);
	w.config.app_dir = strdup("/tmp/a folder=app=x\n\xff");
	run();
	gives("fake:arguments|/tmp/a folder=app=x\n\xff|-|-|-|7|0");
	end();
	start("fake:arguments=app_dir=/");
	w.config.python = strdup("");
	w.config.serve_fastapi_imports = 1;
	run();
	gives("fake:arguments=app_dir=/|/tmp||-|-|7|1");
	end();
}

static void test_hash_seeds_arrive(void **state)
{
	static const uint64_t seeds[] = { 0, 1, UINT32_MAX, UINT64_MAX };
	char want[64];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct fr_diag diag;

		start("fake:arguments");
		assert_int_equal(fr_loader_start(&loader, w.loop, &w.config, seeds[i],
		                                 loader_world_on_done, &w, &diag),
		                 0);
		loader_world_run(&w);
		snprintf(want, sizeof want, "fake:arguments|/tmp|-|-|-|%llu|0",
		         (unsigned long long)seeds[i]);
		gives(want);
		end();
	}
}

/* The master's descriptors and its blocked signals are none of the application's. */
static void test_surroundings(void **state)
{
	int leak = open("/dev/null", O_RDONLY);

	(void)state;
	start("fake:surroundings");
	run();
	gives("4 descriptors, 0 blocked, 0 read, group own");
	end();
	close(leak);
}

static void manifest_of_size(size_t size, size_t limit, bool fits)
{
	char app[64], message[128];

	snprintf(app, sizeof app, "fake:manifest%zu", size);
	start(app);
	w.config.limits.manifest = limit;
	run();
	if (fits) {
		assert_int_equal(w.err, 0);
		assert_int_equal(loader.ret.len, size);
		for (size_t i = 0; i < size; i++)
			if (loader.ret.manifest[i] != at_place(i))
				fail_msg("byte %zu of %zu is wrong", i, size);
		assert_int_equal(loader.ret.manifest[size], 0);
	} else {
		snprintf(message, sizeof message,
		         "the application's manifest is larger than limits.manifest (%zu bytes)",
		         limit);
		fails(FR_ELIMIT, message);
	}
	end();
}

static void test_the_manifests_limit(void **state)
{
	static const size_t limits[] = { 1, 1000, 65535, 65536, 65537, 300000 };

	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		manifest_of_size(limits[i], limits[i], true);
		manifest_of_size(limits[i] + 1, limits[i], false);
	}
	manifest_of_size(1 << 20, 1000, false); /* far more than the pipe holds */
}

/* Of what is said the end is kept, whatever the size. */
static void test_what_is_said(void **state)
{
	static const size_t sizes[] = { 0,        1,        SAID - 1,     SAID,   SAID + 1,
		                        2 * SAID, 3 * SAID, 2 * SAID + 1, 1000000 };
	char app[64];

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t len = sizes[i] < SAID ? sizes[i] : SAID;

		snprintf(app, sizeof app, "fake:says%zu", sizes[i]);
		start(app);
		run();
		gives("{}");
		assert_int_equal(loader.ret.said_len, len);
		for (size_t k = 0; k < len; k++)
			if (loader.ret.said[k] != at_place(sizes[i] - len + k))
				fail_msg("byte %zu of %zu is wrong", k, sizes[i]);
		end();
	}
}

/* As much as a pipe can hold is not read in one turn; at the end nothing of it is lost. */
static void test_much_is_said_at_once(void **state)
{
	const int size = 1 << 18;
	struct fr_diag diag;
	int there = 0, left = 0;

	(void)state;
	start("fake:floods262144");
	assert_int_equal(
		fr_loader_start(&loader, w.loop, &w.config, 7, loader_world_on_done, &w, &diag), 0);
	for (int i = 0; i < 12000 && there < size; i++) {
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
		assert_int_equal(ioctl(loader.said_io.fd, FIONREAD, &there), 0);
	}
	assert_int_equal(there, size);
	ev_invoke(w.loop, &loader.said_io, EV_READ);
	assert_int_equal(ioctl(loader.said_io.fd, FIONREAD, &left), 0);
	assert_true(left < size && left >= size / 2);
	loader_world_run(&w);
	gives("{}");
	assert_int_equal(loader.ret.said_len, SAID);
	for (size_t k = 0; k < SAID; k++)
		if (loader.ret.said[k] != at_place((size_t)size - SAID + k))
			fail_msg("byte %zu is wrong", k);
	end();
}

static void test_it_fails(void **state)
{
	static const struct {
		const char *app, *message, *said;
	} list[] = {
		{ "fake:exits1", "\"fake:exits1\" can't be loaded (exit code 1)",
		  "no such module\n" },
		{ "fake:exits2", "Python can't be started", "no such module\n" },
		{ "fake:exits255", "\"fake:exits255\" can't be loaded (exit code 255)",
		  "no such module\n" },
		{ "fake:dies9", "loading \"fake:dies9\" was ended by signal 9 (Killed)",
		  "half of it\n" },
		{ "fake:dies15", "loading \"fake:dies15\" was ended by signal 15 (Terminated)",
		  "half of it\n" },
		{ "fake:silent", "loading \"fake:silent\" gave no manifest", "nothing to tell\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		start(list[i].app);
		run();
		fails(FR_ECHILD, list[i].message);
		assert_string_equal(loader.ret.said, list[i].said);
		end();
	}
}

static int child_that_was_left(void)
{
	int pid = 0;

	assert_int_equal(sscanf(loader.ret.said, "child %d", &pid), 1);
	return pid;
}

static void test_it_hangs(void **state)
{
	(void)state;
	double from = ev_time();

	start("fake:hangs");
	w.config.timeouts.start = 2; /* enough for it to begin */
	run();
	fails(FR_ETIMEOUT, "\"fake:hangs\" was not loaded within timeouts.start (2 s)");
	assert_true(ev_time() - from >= 1.9);
	assert_true(is_gone(child_that_was_left()));
	end();
}

/* With the pipes closed nothing but its end, or the clock, can be noticed. */
static void test_it_hangs_in_silence(void **state)
{
	(void)state;
	start("fake:mute");
	w.config.timeouts.start = 0.3;
	run();
	fails(FR_ETIMEOUT, "\"fake:mute\" was not loaded within timeouts.start (0.3 s)");
	assert_int_equal(loader.ret.said_len, 0);
	end();
}

/* One that says more and more must not keep the master from its clock. */
static void test_it_babbles(void **state)
{
	(void)state;
	start("fake:babbles");
	w.config.timeouts.start = 2;
	run();
	fails(FR_ETIMEOUT, "\"fake:babbles\" was not loaded within timeouts.start (2 s)");
	assert_int_equal(loader.ret.said_len, SAID);
	end();
}

/* Its end is what counts: what it left behind ends with it, and holds up nothing. */
static void leaves(const char *app)
{
	int pid;

	start(app);
	run();
	assert_int_equal(w.err, 0);
	pid = atoi(loader.ret.manifest);
	assert_true(pid > 0);
	assert_true(is_gone(pid));
	end();
}

static void test_it_leaves_children(void **state)
{
	(void)state;
	leaves("fake:leaves0");
	leaves("fake:leaves1"); /* and it babbles */
}

static void on_stop(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct fr_diag first, second;

	(void)revents;
	if (!loader.ret.said_len) /* it has not begun */
		return;
	ev_timer_stop(loop, timer);
	fr_diag_set(&first, FR_EAGAIN, "loader", "the first reason");
	fr_diag_set(&second, FR_EINVAL, "loader", "another");
	fr_loader_kill(&loader, &first);
	assert_false(fr_loader_ended(&loader, loader.pid + 1));
	fr_loader_kill(&loader, &second);
}

static void test_it_is_stopped(void **state)
{
	struct fr_diag late;
	ev_timer timer;

	(void)state;
	start("fake:hangs");
	ev_timer_init(&timer, on_stop, 0.05, 0.05);
	ev_timer_start(w.loop, &timer);
	run();
	fails(FR_EAGAIN, "the first reason");
	assert_true(is_gone(child_that_was_left()));
	/* Too late: it would be another process by now. */
	fr_diag_set(&late, FR_EINVAL, "loader", "too late");
	fr_loader_kill(&loader, &late);
	assert_string_equal(loader.diag.message, "the first reason");
	assert_false(fr_loader_ended(&loader, 0));
	end();
}

/* Right at the start, before it has its own process group or has executed anything. */
static void test_it_is_stopped_at_once(void **state)
{
	struct fr_diag diag, why;

	(void)state;
	fr_diag_set(&why, FR_EAGAIN, "loader", "not wanted any more");
	for (int i = 0; i < 20; i++) {
		start("fake:hangs");
		assert_int_equal(fr_loader_start(&loader, w.loop, &w.config, 7,
		                                 loader_world_on_done, &w, &diag),
		                 0);
		fr_loader_kill(&loader, &why);
		loader_world_run(&w);
		fails(FR_EAGAIN, "not wanted any more");
		end();
	}
}

/* `fastrapid --loader`, typed by somebody. */
static int typed(const char *const args[], bool with_pipe)
{
	char *argv[8] = { "fastrapid", "--loader" };
	int argc = 2, status, null = open("/dev/null", O_WRONLY);
	pid_t pid;

	for (; args[argc - 2]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 2];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct fr_entries entries = { .loader = fake_loader };

		dup2(null, 2);
		if (with_pipe)
			dup2(null, 3);
		else
			close(3);
		_exit(fr_loader_child(argc, argv, &entries));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(null);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_typed_by_somebody(void **state)
{
	(void)state;
	assert_int_equal(typed((const char *const[]){ NULL }, true), 2);
	assert_int_equal(typed((const char *const[]){ "app=fake:silent", NULL }, true), 2);
	assert_int_equal(typed((const char *const[]){ "app_dir=/", NULL }, true), 2);
	assert_int_equal(
		typed((const char *const[]){ "app=fake:silent", "app_dir=/", NULL }, false), 2);
	assert_int_equal(typed((const char *const[]){ "app=fake:exits1", "app_dir=/", NULL }, true),
	                 1);
	assert_int_equal(typed((const char *const[]){ "app=fake:silent", "app_dir=/",
	                                              "user=nobody-of-this-name", NULL },
	                       true),
	                 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments_arrive),
		cmocka_unit_test(test_hash_seeds_arrive),
		cmocka_unit_test(test_surroundings),
		cmocka_unit_test(test_the_manifests_limit),
		cmocka_unit_test(test_what_is_said),
		cmocka_unit_test(test_much_is_said_at_once),
		cmocka_unit_test(test_it_fails),
		cmocka_unit_test(test_it_hangs),
		cmocka_unit_test(test_it_hangs_in_silence),
		cmocka_unit_test(test_it_babbles),
		cmocka_unit_test(test_it_leaves_children),
		cmocka_unit_test(test_it_is_stopped),
		cmocka_unit_test(test_it_is_stopped_at_once),
		cmocka_unit_test(test_typed_by_somebody),
	};

	return loader_tests(argc, argv, fake_loader, "master_loader", tests,
	                    sizeof tests / sizeof *tests);
}
