/* The control socket, with clients of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/control.h"
#include "master/listeners.h"

static char folder[64], path[96];
static struct ev_loop *loop;
static char asked[FR_CONTROL_WORD];
static struct fr_control_client *asker;
static bool answers;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/fr_control_XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/c", folder);
	loop = ev_loop_new(EVFLAG_AUTO);
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	ev_loop_destroy(loop);
	return rmdir(folder);
}

static void on_command(void *data, struct fr_control_client *client, const char *word)
{
	assert_ptr_equal(data, asked);
	snprintf(asked, sizeof asked, "%s", word);
	asker = client;
	if (answers)
		fr_control_answer(client, strcmp(word, "bad") != 0, "said\n");
}

static void open_at(struct fr_control *control, const char *at)
{
	struct fr_diag diag;

	asked[0] = 0;
	asker = NULL;
	answers = true;
	if (fr_control_open(control, loop, at, on_command, asked, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
}

/* A client that has said text. */
static int client_of(const char *at, const char *text)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", at);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* What is ready is done; nothing is waited for. */
static void turn(void)
{
	for (int i = 0; i < 5; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

/* All that the client gets until the end, which must have come; closes it. */
static const char *heard(int fd)
{
	static char text[256];
	ssize_t n, len = 0;

	while ((n = recv(fd, text + len, sizeof text - 1 - (size_t)len, MSG_DONTWAIT)) > 0)
		len += n;
	assert_int_equal(n, 0);
	close(fd);
	text[len] = 0;
	return text;
}

static void test_answers(void **state)
{
	struct fr_control control;
	struct stat st;
	int fd;

	(void)state;
	open_at(&control, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = client_of(path, "status\n");
	turn();
	assert_string_equal(asked, "status");
	assert_string_equal(heard(fd), ".0said\n");
	fd = client_of(path, "bad\n");
	turn();
	assert_string_equal(heard(fd), ".1said\n");
	assert_int_equal(control.nclients, 0);
	fr_control_close(&control);
	assert_int_equal(access(path, F_OK), -1);
}

/* The word may come in pieces, the answer later; who leaves meanwhile is forgotten. */
static void test_late(void **state)
{
	struct fr_control control;
	int fd;

	(void)state;
	open_at(&control, path);
	answers = false;
	fd = client_of(path, "rel");
	turn();
	assert_string_equal(asked, "");
	assert_int_equal(write(fd, "oad\n", 4), 4);
	turn();
	assert_string_equal(asked, "reload");
	assert_true(asker->asked);
	fr_control_answer(asker, true, "");
	assert_string_equal(heard(fd), ".0");
	fd = client_of(path, "reload\n");
	turn();
	assert_int_equal(control.nclients, 1);
	close(fd);
	turn();
	assert_int_equal(control.nclients, 0);
	fr_control_close(&control);
}

static void test_too_much(void **state)
{
	char words[FR_CONTROL_WORD + 1];
	struct fr_control control;
	int fds[FR_CONTROL_CLIENTS + 1], fd;

	(void)state;
	open_at(&control, path);
	memset(words, 'x', FR_CONTROL_WORD);
	words[FR_CONTROL_WORD] = 0;
	fd = client_of(path, words);
	turn();
	assert_string_equal(heard(fd), "");
	assert_string_equal(asked, "");
	for (size_t i = 0; i <= FR_CONTROL_CLIENTS; i++)
		fds[i] = client_of(path, "");
	/* All at once: none waits so long that it is sent away. */
	while (recv(fds[FR_CONTROL_CLIENTS], words, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
		ev_run(loop, EVRUN_ONCE);
	assert_int_equal(control.nclients, FR_CONTROL_CLIENTS);
	assert_non_null(strstr(heard(fds[FR_CONTROL_CLIENTS]), "1too many clients"));
	fr_control_close(&control);
	for (size_t i = 0; i < FR_CONTROL_CLIENTS; i++)
		assert_string_equal(heard(fds[i]), "");
}

/* A reload that moves the socket: clients of the old one still get their answers. */
static void test_move(void **state)
{
	struct fr_control control, next;
	char other[96];
	int fd, moved;

	(void)state;
	snprintf(other, sizeof other, "%s/d", folder);
	open_at(&control, path);
	open_at(&next, other);
	answers = false;
	fd = client_of(path, "reload\n");
	turn();
	fr_control_move(&control, &next);
	assert_int_equal(access(path, F_OK), -1);
	assert_string_equal(control.path, other);
	assert_null(next.path);
	fr_control_answer(asker, true, "moved\n");
	assert_string_equal(heard(fd), ".0moved\n");
	answers = true;
	moved = client_of(other, "status\n");
	turn();
	assert_string_equal(heard(moved), ".0said\n");
	fr_control_close(&next);
	fr_control_close(&control);
	assert_int_equal(access(other, F_OK), -1);
}

/* The client's side, in a process of its own, as it waits for the answer. */
static void ask_in_child(const char *word, int want, const char *say)
{
	struct fr_control control;
	int status, code = 77, quiet;
	pid_t pid;

	open_at(&control, path);
	answers = say != NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct fr_diag diag;

		quiet = open("/dev/null", O_WRONLY);
		dup2(quiet, 1);
		dup2(quiet, 2);
		if (fr_control_ask(path, word, &code, &diag) < 0)
			code = -diag.code;
		_exit(code);
	}
	while (!asked[0])
		ev_run(loop, EVRUN_ONCE);
	fr_control_close(&control);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, want << 8);
}

/* A master that is there and does nothing, as one that was stopped. */
static void ask_nobody(void)
{
	struct fr_listener silent;
	struct fr_diag diag;
	int code = 77;

	assert_int_equal(fr_unix_open(path, 0600, path, &silent, &diag), 0);
	assert_int_equal(fr_control_ask(path, "reload", &code, &diag), FR_ETIMEOUT);
	assert_non_null(strstr(diag.message, "has not answered within 5 s"));
	assert_int_equal(code, 77);
	close(silent.fd);
	unlink(path);
}

static void test_ask(void **state)
{
	struct fr_diag diag;
	int code = 77;

	(void)state;
	ask_in_child("status", 0, "said");
	ask_in_child("bad", 1, "said");
	ask_in_child("stop", 0, NULL); /* the end is the answer */
	ask_in_child("reload", -FR_EPIPE, NULL);
	ask_nobody();
	assert_int_equal(fr_control_ask(path, "status", &code, &diag), FR_ENOENT);
	assert_int_equal(code, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),  cmocka_unit_test(test_late),
		cmocka_unit_test(test_too_much), cmocka_unit_test(test_move),
		cmocka_unit_test(test_ask),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
