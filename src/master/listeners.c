#include "master/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel lowers it to net.core.somaxconn */
#define MAX_HOST 256

/* Splits "host:port" or "[v6]:port"; host gets MAX_HOST bytes, port 8. */
static int split(const char *text, char *host, char *port)
{
	const char *colon = strrchr(text, ':'), *from = text, *to = colon;
	size_t digits;

	if (!colon)
		return FR_EINVAL;
	if (text[0] == '[') {
		if (colon[-1] != ']')
			return FR_EINVAL;
		from = text + 1;
		to = colon - 1;
	} else if (memchr(text, ':', (size_t)(colon - text))) {
		return FR_EINVAL; /* an IPv6 address without brackets */
	}
	if (to <= from || (size_t)(to - from) >= MAX_HOST)
		return FR_EINVAL;
	digits = strspn(colon + 1, "0123456789");
	if (!digits || digits > 5 || colon[1 + digits] || atoi(colon + 1) > 65535)
		return FR_EINVAL;
	snprintf(host, MAX_HOST, "%.*s", (int)(to - from), from);
	snprintf(port, 8, "%s", colon + 1);
	return 0;
}

int fr_listen_check(const char *text, char *expected, size_t size)
{
	char host[MAX_HOST], port[8];

	if (!strncmp(text, "unix:", 5)) {
		size_t max = sizeof((struct sockaddr_un *)0)->sun_path - 1;

		if (text[5] && strlen(text + 5) <= max)
			return 0;
		snprintf(expected, size, "\"unix:PATH\" with a path of 1 to %zu bytes", max);
		return FR_EINVAL;
	}
	if (split(text, host, port) == 0)
		return 0;
	snprintf(expected, size,
	         "\"host:port\", \"[v6]:port\" or \"unix:PATH\" such as \"127.0.0.1:8000\"");
	return FR_EINVAL;
}

/* The path without what names the same folder in other words; NULL: there is no such folder. */
static char *real_path(const char *path)
{
	char *copy = strdup(path), *folder = copy ? realpath(dirname(copy), NULL) : NULL, *out;
	const char *slash = strrchr(path, '/');

	if (!folder || asprintf(&out, "%s/%s", folder, slash ? slash + 1 : path) < 0)
		out = NULL;
	free(folder);
	free(copy);
	return out;
}

static bool same_path(const char *a, const char *b)
{
	char *x = real_path(a), *y = real_path(b);
	bool same = !strcmp(x ? x : a, y ? y : b);

	free(x);
	free(y);
	return same;
}

/* Addresses as bytes; an IPv4 address has four. */
struct numbers {
	size_t count, len[2];
	unsigned char at[2][16];
};

static void add_number(struct numbers *n, const char *host)
{
	if (inet_pton(AF_INET, host, n->at[n->count]) == 1)
		n->len[n->count++] = 4;
	else if (inet_pton(AF_INET6, host, n->at[n->count]) == 1)
		n->len[n->count++] = 16;
}

/* Asks nobody: of names, only "localhost" has numbers. */
static struct numbers numbers_of(const char *host)
{
	struct numbers n = { 0 };

	if (!strcasecmp(host, "localhost")) {
		add_number(&n, "127.0.0.1");
		add_number(&n, "::1");
	} else {
		add_number(&n, host);
	}
	return n;
}

/* A wildcard takes the port from all addresses of its family. */
static bool overlap(const struct numbers *a, size_t i, const struct numbers *b, size_t k)
{
	static const unsigned char any[16];
	size_t len = a->len[i];

	return len == b->len[k] && (!memcmp(a->at[i], b->at[k], len) ||
	                            !memcmp(a->at[i], any, len) || !memcmp(b->at[k], any, len));
}

bool fr_listen_same(const char *a, const char *b)
{
	char host[2][MAX_HOST], port[2][8];
	struct numbers x, y;
	bool same = false;

	if (!strncmp(a, "unix:", 5) || !strncmp(b, "unix:", 5))
		return !strncmp(a, b, 5) && same_path(a + 5, b + 5);
	if (split(a, host[0], port[0]) < 0 || split(b, host[1], port[1]) < 0 ||
	    atoi(port[0]) != atoi(port[1]) || !atoi(port[0]))
		return false;
	if (!strcasecmp(host[0], host[1]))
		return true;
	x = numbers_of(host[0]);
	y = numbers_of(host[1]);
	for (size_t i = 0; i < x.count; i++)
		for (size_t k = 0; k < y.count; k++)
			same |= overlap(&x, i, &y, k);
	return same;
}

static int add(struct fr_listeners *l, const struct fr_listener *one, const char *name)
{
	struct fr_listener *list = reallocarray(l->list, l->count + 1, sizeof *list);
	char *copy = strdup(name);

	if (list)
		l->list = list;
	if (!list || !copy) {
		free(copy);
		return FR_ENOMEM;
	}
	list[l->count] = *one;
	list[l->count++].name = copy;
	return 0;
}

/* Removes a socket file that nobody answers on; FR_EIO if somebody does, or it is no socket. */
static int remove_stale(const struct sockaddr_un *sun, const char *name, struct fr_diag *diag)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT
		               ? 0
		               : fr_diag_errno(diag, errno, name, "can't look at the socket file");
	if (!S_ISSOCK(st.st_mode))
		return fr_diag_set(diag, FR_EIO, name,
		                   "found a file that is no socket, expected a free path");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fr_diag_errno(diag, errno, name, "can't make a socket");
	if (connect(fd, (const struct sockaddr *)sun, sizeof *sun) == 0 || errno == EAGAIN)
		err = fr_diag_set(diag, FR_EIO, name, "another server listens here already");
	else if (errno != ECONNREFUSED && errno != ENOENT)
		err = fr_diag_errno(diag, errno, name, "can't tell whether somebody listens here");
	else if (unlink(sun->sun_path) < 0 && errno != ENOENT)
		err = fr_diag_errno(diag, errno, name, "can't remove the stale socket file");
	close(fd);
	return err;
}

int fr_unix_open(const char *path, mode_t mode, const char *name, struct fr_listener *ret,
                 struct fr_diag *diag)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, err;

	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
	if ((err = remove_stale(&sun, name, diag)) < 0)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fr_diag_errno(diag, errno, name, "can't make a socket");
	if (bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0) {
		err = fr_diag_errno(diag, errno, name, "can't bind");
		close(fd);
		return err;
	}
	/* Nobody can connect before listen(): the mode is in force by then. */
	if (chmod(sun.sun_path, mode) < 0 || lstat(sun.sun_path, &st) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		err = fr_diag_errno(diag, errno, name, "can't listen");
		close(fd);
		unlink(sun.sun_path);
		return err;
	}
	*ret = (struct fr_listener){ .fd = fd, .dev = st.st_dev, .ino = st.st_ino };
	return 0;
}

void fr_unix_remove(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
		unlink(path);
}

static int open_unix(const char *name, struct fr_listeners *l, struct fr_diag *diag)
{
	mode_t mask = umask(0);
	struct fr_listener one = { .fd = -1 };
	int err;

	umask(mask);
	if ((err = fr_unix_open(name + 5, 0666 & ~mask, name, &one, diag)) < 0)
		return err;
	if ((err = add(l, &one, name)) < 0) {
		fr_diag_set(diag, err, name, "out of memory");
		close(one.fd);
		unlink(name + 5);
	}
	return err;
}

/* ---- what is listened on already ---- */

/* A second descriptor of the same socket: nothing that waits in its queue is lost. */
static int share(const struct fr_listener *known, const char *name, struct fr_listeners *l)
{
	struct fr_listener one = *known;

	one.fd = fcntl(known->fd, F_DUPFD_CLOEXEC, 3);
	if (one.fd < 0)
		return errno;
	if (add(l, &one, name) < 0) {
		close(one.fd);
		return ENOMEM;
	}
	return 0;
}

static bool has_name(const struct fr_listeners *l, const char *name)
{
	for (size_t i = 0; l && i < l->count; i++)
		if (!strcmp(l->list[i].name, name))
			return true;
	return false;
}

static int share_all(const struct fr_listeners *from, const char *name, struct fr_listeners *l,
                     struct fr_diag *diag)
{
	for (size_t i = 0; i < from->count; i++) {
		int e = strcmp(from->list[i].name, name) ? 0 : share(&from->list[i], name, l);

		if (e)
			return fr_diag_errno(diag, e, name, "can't go on listening");
	}
	return 0;
}

/* The one that listens on an address, under whatever name. */
static const struct fr_listener *find_address(const struct fr_listeners *from,
                                              const struct addrinfo *ai)
{
	for (size_t i = 0; from && i < from->count; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof ss;

		if (getsockname(from->list[i].fd, (struct sockaddr *)&ss, &len) == 0 &&
		    len == ai->ai_addrlen && !memcmp(&ss, ai->ai_addr, len))
			return &from->list[i];
	}
	return NULL;
}

/* One address; returns 0 or an errno value. */
static int open_one(const struct addrinfo *ai, const char *name, const struct fr_listeners *from,
                    struct fr_listeners *l)
{
	const struct fr_listener *known = find_address(from, ai);
	int fd = known ? -1
	               : socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	                        ai->ai_protocol);
	int one = 1, err = 0;

	if (known)
		return share(known, name, l);
	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    (ai->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		err = errno;
	else if (add(l, &(struct fr_listener){ .fd = fd }, name) < 0)
		err = ENOMEM;
	if (err)
		close(fd);
	return err;
}

static int open_tcp(const char *name, const struct fr_listeners *from, struct fr_listeners *l,
                    struct fr_diag *diag)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		                        .ai_socktype = SOCK_STREAM,
		                        .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	char host[MAX_HOST], port[8];
	struct addrinfo *found;
	int err, missing = 0;
	size_t before = l->count;

	if ((err = split(name, host, port)) < 0)
		return fr_diag_set(diag, err, name, "not an address");
	err = getaddrinfo(host, port, &hints, &found);
	if (err)
		return fr_diag_set(diag, FR_EIO, name, "can't resolve \"%s\": %s", host,
		                   err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
	err = 0;
	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next) {
		int e = open_one(ai, name, from, l);

		/* "localhost" may name an address of a family that this machine lacks. */
		if (e == EADDRNOTAVAIL || e == EAFNOSUPPORT)
			missing = e;
		else if (e)
			err = e;
		if (err)
			break;
	}
	freeaddrinfo(found);
	if (!err && l->count == before)
		err = missing;
	return err ? fr_diag_errno(diag, err, name, "can't listen") : 0;
}

int fr_listeners_open(const struct fr_config *config, const struct fr_listeners *from,
                      struct fr_listeners *ret, struct fr_diag *diag)
{
	struct fr_listeners l = { 0 };
	int err = 0;

	for (size_t i = 0; i < config->nlisten && !err; i++) {
		const char *name = config->listen[i];

		if (has_name(from, name))
			err = has_name(&l, name) ? 0 : share_all(from, name, &l, diag);
		else
			err = strncmp(name, "unix:", 5) ? open_tcp(name, from, &l, diag)
			                                : open_unix(name, &l, diag);
	}
	if (err) {
		fr_listeners_close(&l, from);
		return err;
	}
	*ret = l;
	return 0;
}

void fr_listener_address(const struct fr_listener *listener, char *out, size_t size)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	char host[128], port[16];

	if (!strncmp(listener->name, "unix:", 5) ||
	    getsockname(listener->fd, (struct sockaddr *)&ss, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&ss, len, host, sizeof host, port, sizeof port,
	                NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(out, size, "%s", listener->name);
	else
		snprintf(out, size, ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

void fr_listeners_close(struct fr_listeners *l, const struct fr_listeners *keep)
{
	for (size_t i = 0; i < l->count; i++) {
		/* Removed first, so that no client finds a socket that nobody will serve. */
		if (!strncmp(l->list[i].name, "unix:", 5) && !has_name(keep, l->list[i].name))
			fr_unix_remove(l->list[i].name + 5, l->list[i].dev, l->list[i].ino);
		close(l->list[i].fd);
		free(l->list[i].name);
	}
	free(l->list);
	*l = (struct fr_listeners){ 0 };
}
