/* From the loader to a verified image: what goes wrong in between, and signals meanwhile. */
#include "tests/unit/loader_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/child.h"
#include "shm/verify.h"
#include "tests/unit/manifests.h"
#include "tests/unit/open_fds.h"

/* ---- what runs as the loader ---- */

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The first n bytes of a manifest, or all of it with byte n changed. */
static void put_part(int fd, const char *text, const char *how, unsigned long n)
{
	size_t len = strlen(text);
	char *copy = strdup(text);

	if (!copy)
		_exit(91);
	if (!strcmp(how, "cut"))
		len = smaller(n, len);
	if (!strcmp(how, "nul") && n < len)
		copy[n] = 0;
	if (!strcmp(how, "byte") && n < len)
		copy[n] = (char)0xff;
	for (size_t at = 0; at < len;) {
		ssize_t put = write(fd, copy + at, len - at);

		if (put <= 0)
			_exit(90);
		at += (size_t)put;
	}
	free(copy);
}

static int fake_loader(const struct fr_loader_args *args)
{
	unsigned long n = 0;
	char how[32] = "";

	sscanf(args->app, "fake:%31[a-z_]%lu", how, &n);
	if (!strcmp(how, "broken")) {
		fprintf(stderr, "a traceback\n");
		return 1;
	}
	if (!strcmp(how, "hangs"))
		for (;;)
			pause();
	if (!strcmp(how, "parent")) {
		/* What a person does to the master while it loads. */
		kill(getppid(), (int)n);
		for (;;)
			pause();
	}
	if (!strcmp(how, "hup")) {
		kill(getppid(), SIGHUP);
		kill(getppid(), SIGCHLD);
	}
	put_part(args->manifest_fd, manifest_full, how, n);
	return 0;
}

/* ---- the master ---- */

static struct loader_world w;
static struct fr_compiled compiled;
static struct fr_diag diag;

/* fr_compile() has a loop of its own: the world's reads the same descriptor, and is not run. */
static int compile(const char *app)
{
	loader_world_init(&w, app);
	return fr_compile(&w.config, w.signal_fd, &compiled, &diag);
}

static void end(void)
{
	fr_compiled_fini(&compiled);
	assert_int_equal(compiled.image_fd, -1);
	assert_null(compiled.image);
	loader_world_fini(&w);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_an_image_is_made(void **state)
{
	struct fr_diag verified;

	(void)state;
	assert_int_equal(compile("fake:full"), 0);
	assert_true(compiled.image_fd >= 0);
	assert_int_equal(lseek(compiled.image_fd, 0, SEEK_END), compiled.image_size);
	assert_int_equal(fcntl(compiled.image_fd, F_GET_SEALS) &
	                         (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
	                 F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(fcntl(compiled.image_fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fr_image_verify(compiled.image, compiled.image_size, &verified), 0);
	assert_true(compiled.hash_seed <= UINT32_MAX);
	assert_string_equal(compiled.loader.ret.manifest, manifest_full);
	end();
}

/* Python's hashes differ from one generation to the next, and are never fixed. */
static void test_each_has_its_own_seed(void **state)
{
	uint64_t seeds[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(compile("fake:full"), 0);
		seeds[i] = compiled.hash_seed;
		end();
	}
	assert_true(seeds[0] != seeds[1] || seeds[1] != seeds[2]);
}

static void fails(const char *app, int err, const char *words)
{
	if (compile(app) != err)
		fail_msg("%s: not %d: %s: %s", app, err, diag.where, diag.message);
	assert_int_equal(diag.code, err);
	if (!strstr(diag.message, words))
		fail_msg("%s: \"%s\" is not in \"%s\"", app, words, diag.message);
	assert_int_equal(compiled.image_fd, -1);
	assert_null(compiled.image);
}

static void test_the_loader_fails(void **state)
{
	(void)state;
	fails("fake:broken", FR_ECHILD, "can't be loaded (exit code 1)");
	assert_string_equal(compiled.loader.ret.said, "a traceback\n");
	end();
}

/* A manifest that ends anywhere, or holds what is no text, is refused; nothing is left open. */
static void test_malformed_manifests(void **state)
{
	const size_t len = strlen(manifest_full);
	char app[48];

	(void)state;
	for (size_t i = 1; i < len - 2; i += len / 24) {
		snprintf(app, sizeof app, "fake:cut%zu", i);
		fails(app, FR_EINVAL, "");
		end();
	}
	for (size_t i = 0; i < len - 2; i += len / 6) {
		snprintf(app, sizeof app, "fake:nul%zu", i);
		fails(app, FR_EINVAL, "a NUL byte");
		end();
		snprintf(app, sizeof app, "fake:byte%zu", i);
		fails(app, FR_EINVAL, "not UTF-8");
		end();
	}
	/* The white space at its end is none of it. */
	snprintf(app, sizeof app, "fake:cut%zu", len - 1);
	assert_int_equal(compile(app), 0);
	end();
}

static void test_signals_end_it(void **state)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGQUIT };
	char app[32], words[64];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(app, sizeof app, "fake:parent%d", ends[i]);
		snprintf(words, sizeof words, "stopped by signal %d (%s)", ends[i],
		         strsignal(ends[i]));
		fails(app, FR_EAGAIN, words);
		end();
	}
}

/* A reload that is asked for, or a child that is none of ours, ends nothing. */
static void test_other_signals_do_not(void **state)
{
	pid_t stranger;

	(void)state;
	assert_int_equal(compile("fake:hup"), 0);
	end();
	loader_world_init(&w, "fake:full");
	stranger = fork();
	assert_true(stranger >= 0);
	if (stranger == 0)
		_exit(3);
	assert_int_equal(fr_compile(&w.config, w.signal_fd, &compiled, &diag), 0);
	if (waitpid(stranger, NULL, WNOHANG) == 0)
		waitpid(stranger, NULL, 0); /* it was slower than the loader */
	end();
}

/* On the caller's loop, with others beside it. */
static void test_it_is_not_waited_for(void **state)
{
	struct fr_diag why;

	(void)state;
	loader_world_init(&w, "fake:full");
	w.loader = &compiled.loader;
	assert_int_equal(
		fr_compile_start(&compiled, w.loop, &w.config, loader_world_on_done, &w, &diag), 0);
	loader_world_run(&w);
	assert_int_equal(w.err, 0);
	assert_non_null(compiled.image);
	end();
	loader_world_init(&w, "fake:hangs");
	w.loader = &compiled.loader;
	assert_int_equal(
		fr_compile_start(&compiled, w.loop, &w.config, loader_world_on_done, &w, &diag), 0);
	fr_diag_set(&why, FR_EAGAIN, "loader", "told to end");
	fr_loader_kill(&compiled.loader, &why);
	loader_world_run(&w);
	assert_int_equal(w.err, FR_EAGAIN);
	assert_string_equal(compiled.diag.message, "told to end");
	end();
}

/* One more is to be had each time, until they suffice. */
static void test_descriptors_run_out(void **state)
{
	unsigned before = open_fds();
	struct rlimit all, few;
	rlim_t next;
	int err = 1, fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	loader_world_init(&w, "fake:full");
	fd = dup(0);
	assert_true(fd >= 0);
	close(fd);
	next = (rlim_t)fd;
	for (few.rlim_cur = next; err && few.rlim_cur < next + 32; few.rlim_cur++) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		err = fr_compile(&w.config, w.signal_fd, &compiled, &diag);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
		if (err != 0 && err != FR_EIO && err != FR_ECHILD)
			fail_msg("with %lu: %d: %s", (unsigned long)few.rlim_cur, err,
			         diag.message);
		fr_compiled_fini(&compiled);
	}
	assert_int_equal(err, 0);
	assert_true(few.rlim_cur > next + 4); /* two pipes alone are four */
	end();
	assert_int_equal(open_fds(), before);
}

static void test_the_report(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	assert_int_equal(compile("fake:full"), 0);
	fr_compiled_report(&compiled, out);
	fclose(out);
	assert_string_equal(
		text,
		"application main:app: 6 routes ok\n"
		"on the side list, tried in order: /static (matched by its own class)\n"
		"on the side list, tried in order: /files/{name}.{ext} (regular expression)\n");
	free(text);
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_image_is_made),
		cmocka_unit_test(test_each_has_its_own_seed),
		cmocka_unit_test(test_the_loader_fails),
		cmocka_unit_test(test_malformed_manifests),
		cmocka_unit_test(test_signals_end_it),
		cmocka_unit_test(test_other_signals_do_not),
		cmocka_unit_test(test_it_is_not_waited_for),
		cmocka_unit_test(test_descriptors_run_out),
		cmocka_unit_test(test_the_report),
	};

	return loader_tests(argc, argv, fake_loader, "master_compile", tests,
	                    sizeof tests / sizeof *tests);
}
