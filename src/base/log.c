#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

#define LINE_MAX_BYTES 16384

static struct {
	int fd;
	enum fr_level level;
} sink = { STDERR_FILENO, FR_INFO };

void fr_log_init(int fd, enum fr_level level)
{
	sink.fd = fd;
	sink.level = level;
}

int fr_log_enabled(enum fr_level level)
{
	return level >= sink.level;
}

struct line {
	char *p;
	size_t len, max;
};

static void add(struct line *l, const char *p, size_t len)
{
	if (len > l->max - l->len)
		len = l->max - l->len;
	memcpy(l->p + l->len, p, len);
	l->len += len;
}

static void add_escaped(struct line *l, const char *text, size_t len, int multiline)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < len;) {
		size_t n = fr_utf8_len(text + i, len - i);
		bool control = p[i] == 0xc2 && n == 2 && p[i + 1] < 0xa0; /* C1 */
		char hex[5];

		if (n > 1 && !control) {
			add(l, text + i, n);
			i += n;
			continue;
		}
		if (p[i] >= 0x20 && p[i] < 0x7f) {
			add(l, text + i, 1);
		} else if (multiline && p[i] == '\n') {
			add(l, "\n  ", 3);
		} else if (p[i] == '\t') {
			add(l, " ", 1);
		} else {
			snprintf(hex, sizeof hex, "\\x%02x", p[i]);
			add(l, hex, 4);
		}
		i++;
	}
}

/* Lines that could not be written, and whether the last thing that was is the beginning of one. */
static atomic_uint lost;
static atomic_bool torn;

/* The time, the level, the process. */
static void add_stamp(struct line *l, enum fr_level level)
{
	static const char *const names[] = { "debug", "info", "warning", "error" };
	struct timespec now;
	char stamp[64];
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp + n, sizeof stamp - n, ".%03ldZ %s [%d] ", now.tv_nsec / 1000000,
	         names[level], (int)getpid());
	add(l, stamp, strlen(stamp));
}

/* Before the first line for which there is room again: what is missing, on a line of its own. */
static void add_lost(struct line *l, unsigned n)
{
	char text[80];

	if (atomic_load(&torn))
		add(l, "\n", 1);
	if (!n)
		return;
	add_stamp(l, FR_WARNING);
	snprintf(text, sizeof text,
	         n == 1 ? "%u line was lost: it could not be written\n"
	                : "%u lines were lost: they could not be written\n",
	         n);
	add(l, text, strlen(text));
}

/* One write a line, so that lines of several processes don't mix. */
static void put(const struct line *l, unsigned told)
{
	ssize_t n;

	do
		n = write(sink.fd, l->p, l->len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)l->len) {
		atomic_store(&torn, false);
		return;
	}
	if (n > 0)
		atomic_store(&torn, true);
	atomic_fetch_add(&lost, told + 1);
}

static void emit(enum fr_level level, const char *text, size_t len, const char *fmt, va_list args)
{
	unsigned told = atomic_exchange(&lost, 0);
	char buf[LINE_MAX_BYTES], message[4096];
	struct line l = { buf, 0, sizeof buf - 1 };

	add_lost(&l, told);
	add_stamp(&l, level);
	vsnprintf(message, sizeof message, fmt, args);
	add_escaped(&l, message, strlen(message), 0);
	if (len) {
		add(&l, "\n  ", 3);
		while (len && text[len - 1] == '\n')
			len--;
		add_escaped(&l, text, len, 1);
	}
	buf[l.len++] = '\n';
	put(&l, told);
}

void fr_log(enum fr_level level, const char *fmt, ...)
{
	va_list args;

	if (!fr_log_enabled(level))
		return;
	va_start(args, fmt);
	emit(level, NULL, 0, fmt, args);
	va_end(args);
}

void fr_log_text(enum fr_level level, const char *text, size_t len, const char *fmt, ...)
{
	va_list args;

	if (!fr_log_enabled(level))
		return;
	va_start(args, fmt);
	emit(level, text, len, fmt, args);
	va_end(args);
}
