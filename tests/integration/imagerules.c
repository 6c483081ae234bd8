/*
 * A worker that is given an image other than its application's: the path and
 * the status code of one route are changed, the fingerprint is kept.  What it
 * then answers shows whether the image rules.
 *
 * usage: imagerules APP_DIR MODULE:ATTRIBUTE PORT OLD-PATH NEW-PATH STATUS
 *
 * Paths are of one literal segment.  Runs until SIGTERM.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/builder.h"
#include "workers/entry.h"

#define SEED 12345u

struct text {
	char *p;
	size_t len;
};

static void die(const char *what)
{
	fprintf(stderr, "imagerules: %s\n", what);
	exit(1);
}

static struct text read_all(int fd)
{
	struct text t = { NULL, 0 };
	size_t cap = 0;
	ssize_t n;

	do {
		if (t.len == cap) {
			cap = cap ? cap * 2 : 65536;
			t.p = realloc(t.p, cap);
			if (!t.p)
				die("out of memory");
		}
		n = read(fd, t.p + t.len, cap - t.len);
		if (n < 0)
			die("the manifest can't be read");
		t.len += (size_t)n;
	} while (n > 0);
	return t;
}

/* The manifest, as the loader makes it in a process of its own. */
static struct text load(const char *app_dir, const char *app)
{
	struct text manifest;
	int fds[2], status;
	pid_t pid = -1;

	if (pipe(fds) < 0 || (pid = fork()) < 0)
		die("no process");
	if (pid == 0) {
		struct fr_loader_args args = {
			.app = app,
			.app_dir = app_dir,
			.hash_seed = SEED,
			.manifest_fd = fds[1],
		};

		close(fds[0]);
		_exit(fr_loader_main(&args));
	}
	close(fds[1]);
	manifest = read_all(fds[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("the loader failed");
	return manifest;
}

/* The same manifest, but for one route's path and status. */
static char *alter(struct text manifest, const char *old, const char *new, double status)
{
	cJSON *root = cJSON_ParseWithLength(manifest.p, manifest.len), *route;
	char *altered;
	int found = 0;

	cJSON_ArrayForEach(route, cJSON_GetObjectItemCaseSensitive(root, "routes"))
	{
		cJSON *path = cJSON_GetObjectItemCaseSensitive(route, "path");
		cJSON *pattern = cJSON_GetObjectItemCaseSensitive(route, "pattern");

		if (strcmp(path->valuestring, old) != 0)
			continue;
		cJSON_SetValuestring(path, new);
		cJSON_SetValuestring(cJSON_GetArrayItem(cJSON_GetArrayItem(pattern, 0), 1),
		                     new + 1);
		cJSON_SetNumberValue(cJSON_GetObjectItemCaseSensitive(route, "status"), status);
		found++;
	}
	if (found != 1)
		die("no such route");
	altered = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (!altered)
		die("out of memory");
	return altered;
}

static int open_listener(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
		die("the port is not free");
	return fd;
}

int main(int argc, char **argv)
{
	struct fr_config config;
	struct fr_image_buf image;
	struct fr_diag diag = { 0 };
	struct fr_listener listener = { 0 };
	struct fr_heritage heritage = { .config = &config,
		                        .listeners = &listener,
		                        .nlisteners = 1,
		                        .generation = 1,
		                        .log_fd = 2,
		                        .hash_seed = SEED };
	struct text manifest;
	int pair[2], rc;

	if (argc != 7)
		die("six arguments, please");
	fr_config_init(&config);
	config.app_dir = strdup(argv[1]);
	config.app = strdup(argv[2]);
	if (config.workers == 0)
		config.workers = 1;
	manifest = load(argv[1], argv[2]);
	char *altered = alter(manifest, argv[4], argv[5], atof(argv[6]));

	if (fr_image_build(altered, strlen(altered), 1, &image, &diag) < 0)
		die(diag.message);
	fr_image_fingerprint(manifest.p, manifest.len, image.image->fingerprint);
	heritage.image_size = image.size;
	if (fr_image_seal(&image, &heritage.image_fd, &diag) < 0)
		die(diag.message);
	fr_image_buf_fini(&image);
	cJSON_free(altered);
	free(manifest.p);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		die("no sockets");
	char order = FR_ORDER_ACCEPT;

	if (send(pair[1], &order, 1, 0) != 1)
		die("the worker can't be told to accept");
	heritage.master_fd = pair[0];
	heritage.master_pid = getpid();
	listener.fd = open_listener(atoi(argv[3]));
	listener.name = argv[3];
	rc = fr_worker_main(&heritage);
	fr_config_fini(&config);
	return rc;
}
