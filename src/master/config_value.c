/* Values of keys: from text and numbers, into words. */
#include "master/config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <math.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "master/listeners.h"

#define MAX_SOCKET 107 /* bytes of a Unix socket's path */

/* Where "expected ..." goes. */
struct expect {
	char *out;
	size_t size;
};

static int expected(struct expect *e, const char *fmt, ...) FR_PRINTF(2, 3);

static int expected(struct expect *e, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(e->out, e->size, fmt, args);
	va_end(args);
	return FR_EINVAL;
}

/* 65536 -> "64K": the largest unit that leaves nothing over. */
static void format_size(double n, char *out, size_t size)
{
	static const char units[] = "\0KMG";
	int u = 0;

	while (u < 3 && n >= 1024 && fmod(n, 1024) == 0) {
		n /= 1024;
		u++;
	}
	snprintf(out, size, "%.0f%.1s", n, units + u);
}

static void format_time(double s, char *out, size_t size)
{
	if (s > 0 && s < 1)
		snprintf(out, size, "%.10gms", s * 1000);
	else
		snprintf(out, size, "%.10gs", s);
}

void fr_conf_describe(const struct fr_conf_key *key, char *out, size_t size)
{
	char min[32], max[32];
	size_t n = 0;

	switch (key->type) {
	case FR_CONF_APP:
		snprintf(out, size, "a string \"module:attribute\" such as \"main:app\"");
		return;
	case FR_CONF_DIR:
		snprintf(out, size, "a string, the path of a folder");
		return;
	case FR_CONF_PYTHON:
		snprintf(out, size,
		         "a string, the path of a Python interpreter or of a virtual environment");
		return;
	case FR_CONF_LISTEN:
		snprintf(out, size,
		         "a list of up to %d strings \"host:port\", \"[v6]:port\" or \"unix:PATH\"",
		         FR_MAX_LISTEN);
		return;
	case FR_CONF_ADDRESS:
		snprintf(out, size, "a string \"host:port\", \"[v6]:port\" or \"unix:PATH\"");
		return;
	case FR_CONF_WORKERS:
		snprintf(out, size, "a whole number from %.0f to %.0f, or \"auto\"", key->min,
		         key->max);
		return;
	case FR_CONF_BOOL:
		snprintf(out, size, "true or false");
		return;
	case FR_CONF_COUNT:
		snprintf(out, size, "a whole number from %.0f to %.0f", key->min, key->max);
		return;
	case FR_CONF_SIZE:
		format_size(key->min, min, sizeof min);
		format_size(key->max, max, sizeof max);
		snprintf(out, size, "a size such as 65536 or \"64K\", from %s to %s", min, max);
		return;
	case FR_CONF_TIME:
		format_time(key->min, min, sizeof min);
		format_time(key->max, max, sizeof max);
		snprintf(
			out, size,
			"a time such as 1.5 (seconds), \"500ms\", \"10s\" or \"5m\", from %s to %s",
			min, max);
		return;
	case FR_CONF_CHOICE:
		n = (size_t)snprintf(out, size, "one of");
		for (size_t i = 0; key->choices[i] && n < size; i++)
			n += (size_t)snprintf(out + n, size - n, "%s \"%s\"", i ? "," : "",
			                      key->choices[i]);
		return;
	case FR_CONF_FILE:
		snprintf(out, size, "a string, the path of a file");
		return;
	case FR_CONF_SOCKET:
		snprintf(out, size, "a string, the path of a socket of 1 to %d bytes", MAX_SOCKET);
		return;
	case FR_CONF_USER:
		snprintf(out, size, "a string, the name of a user");
		return;
	case FR_CONF_GROUP:
		snprintf(out, size, "a string, the name of a group");
		return;
	}
}

struct fr_conf_value fr_conf_value_of(const char *text)
{
	char *end;
	double number;

	if (!isdigit((unsigned char)*text))
		return (struct fr_conf_value){ .text = text };
	number = strtod(text, &end);
	return *end ? (struct fr_conf_value){ .text = text }
	            : (struct fr_conf_value){ .number = number };
}

/* A number with a unit; -1 if it isn't one. */
static double parse_unit(const char *text, int is_time)
{
	static const struct {
		const char *name;
		double factor;
		int is_time;
	} units[] = { { "K", 1024, 0 },   { "M", 1048576, 0 }, { "G", 1073741824, 0 },
		      { "ms", 0.001, 1 }, { "s", 1, 1 },       { "m", 60, 1 },
		      { "h", 3600, 1 } };
	char *end;
	double n;

	if (!isdigit((unsigned char)*text) || strspn(text, "0123456789.") == strlen(text))
		return -1;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return -1;
	n = strtod(text, &end);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (units[i].is_time == is_time && !strcmp(units[i].name, end))
			return n * units[i].factor;
	return -1;
}

static char *join(const char *base, const char *path)
{
	char *out;

	if (path[0] == '/' || !base)
		return strdup(path);
	return asprintf(&out, "%s/%s", base, path) < 0 ? NULL : out;
}

static int set_string(char **at, char *taken)
{
	if (!taken)
		return FR_ENOMEM;
	free(*at);
	*at = taken;
	return 0;
}

static int name_ok(const char *p, size_t len)
{
	if (!len || p[0] == '.' || p[len - 1] == '.')
		return 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if (!isalnum(c) && c != '_' && c != '.' && c < 0x80)
			return 0;
		if ((i == 0 || p[i - 1] == '.') && (isdigit(c) || c == '.'))
			return 0;
	}
	return 1;
}

static int set_app(char **at, const char *text, struct expect *e)
{
	const char *colon = strchr(text, ':');

	if (!colon || !name_ok(text, (size_t)(colon - text)) ||
	    !name_ok(colon + 1, strlen(colon + 1)))
		return expected(e, "\"module:attribute\" such as \"main:app\"");
	return set_string(at, strdup(text));
}

static int set_dir(char **at, const char *text, const char *base, struct expect *e)
{
	char *joined = join(base, text), *path = joined ? realpath(joined, NULL) : NULL;
	struct stat st;

	if (!joined || (!path && errno == ENOMEM)) {
		free(joined);
		return FR_ENOMEM;
	}
	free(joined);
	if (!path || stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		free(path);
		return expected(e, "a folder that exists");
	}
	return set_string(at, path);
}

/* Always stored as the interpreter's path, links left as they are: a venv's python is one. */
static int set_python(char **at, const char *text, const char *base, struct expect *e)
{
	char *path = join(base, text), *inner;
	struct stat st;

	if (path && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		inner = join(path, "bin/python");
		free(path);
		path = inner;
	}
	if (!path)
		return FR_ENOMEM;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, X_OK) < 0) {
		expected(e, "a Python interpreter, or a virtual environment with bin/python");
		free(path);
		return FR_EINVAL;
	}
	return set_string(at, path);
}

/* A checked address, the path of a socket relative to base: the caller's. */
static int make_address(const char *text, const char *base, char **ret, struct expect *e)
{
	char *made;

	if (fr_listen_check(text, e->out, e->size) < 0)
		return FR_EINVAL;
	if (!strncmp(text, "unix:", 5)) {
		char *path = join(base, text + 5);

		if (!path || asprintf(&made, "unix:%s", path) < 0)
			made = NULL;
		free(path);
		if (made && fr_listen_check(made, e->out, e->size) < 0) {
			free(made);
			return FR_EINVAL;
		}
	} else {
		made = strdup(text);
	}
	if (!made)
		return FR_ENOMEM;
	*ret = made;
	return 0;
}

static int set_address(char **at, const char *text, const char *base, struct expect *e)
{
	char *made;
	int err = make_address(text, base, &made, e);

	return err < 0 ? err : set_string(at, made);
}

static int add_listen(struct fr_config *config, const char *text, const char *base,
                      struct expect *e)
{
	int err;

	if (config->nlisten == FR_MAX_LISTEN)
		return expected(e, "at most %d addresses", FR_MAX_LISTEN);
	err = make_address(text, base, &config->listen[config->nlisten], e);
	if (err == 0)
		config->nlisten++;
	return err;
}

/* A file to be written: it, or the folder to make it in, must be writable. */
static int set_file(char **at, const char *text, const char *base, struct expect *e)
{
	char *path = join(base, text), *copy = path ? strdup(path) : NULL;
	struct stat st;
	int ok = 0;

	if (!copy) {
		free(path);
		return FR_ENOMEM;
	}
	if (*text) {
		if (stat(path, &st) == 0)
			ok = !S_ISDIR(st.st_mode) && access(path, W_OK) == 0;
		else
			ok = text[strlen(text) - 1] != '/' &&
			     access(dirname(copy), W_OK | X_OK) == 0;
	}
	free(copy);
	if (!ok) {
		free(path);
		return expected(e, "a file that can be written, in a folder that exists");
	}
	return set_string(at, path);
}

/* A socket that is there may be stale, or ours; whoever opens it will see. */
static int set_socket(char **at, const char *text, const char *base, struct expect *e)
{
	char *path = join(base, text), *copy = path ? strdup(path) : NULL;
	int ok = *text && copy && strlen(path) <= MAX_SOCKET && text[strlen(text) - 1] != '/' &&
	         access(dirname(copy), W_OK | X_OK) == 0;

	if (!copy) {
		free(path);
		return FR_ENOMEM;
	}
	free(copy);
	if (!ok) {
		free(path);
		return expected(e, "a path of 1 to %d bytes in a folder that can be written",
		                MAX_SOCKET);
	}
	return set_string(at, path);
}

static int set_user(char **at, const char *text, struct expect *e)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(text);
	if (!pw && errno == ENOMEM)
		return FR_ENOMEM;
	if (!pw)
		return expected(e, "a user of this system");
	if (geteuid() != 0 && pw->pw_uid != geteuid())
		return expected(e,
		                "the user that starts fastrapid (only root can change to another)");
	return set_string(at, strdup(text));
}

static int set_group(char **at, const char *text, struct expect *e)
{
	const struct group *gr;

	errno = 0;
	gr = getgrnam(text);
	if (!gr && errno == ENOMEM)
		return FR_ENOMEM;
	if (!gr)
		return expected(e, "a group of this system");
	if (geteuid() != 0 && gr->gr_gid != getegid())
		return expected(
			e, "the group that starts fastrapid (only root can change to another)");
	return set_string(at, strdup(text));
}

static int set_choice(int *at, const struct fr_conf_key *key, const char *text)
{
	for (int i = 0; key->choices[i]; i++) {
		if (!strcmp(key->choices[i], text)) {
			*at = i;
			return 0;
		}
	}
	return FR_EINVAL;
}

static int set_bool(int *at, const char *text)
{
	int is_true = !strcmp(text, "true");

	if (!is_true && strcmp(text, "false"))
		return FR_EINVAL;
	*at = is_true;
	return 0;
}

static int set_number(void *at, const struct fr_conf_key *key, double n)
{
	if (!(n >= key->min && n <= key->max) || (key->type != FR_CONF_TIME && n != floor(n)))
		return FR_EINVAL;
	if (key->type == FR_CONF_TIME)
		*(double *)at = n;
	else if (key->size == sizeof(unsigned))
		*(unsigned *)at = (unsigned)n;
	else
		*(uint64_t *)at = (uint64_t)n;
	return 0;
}

int fr_conf_set(struct fr_config *config, const struct fr_conf_key *key, struct fr_conf_value value,
                const char *base, char *out, size_t size)
{
	void *at = (char *)config + key->offset;
	struct expect e = { out, size };

	fr_conf_describe(key, out, size);
	switch (key->type) {
	case FR_CONF_WORKERS:
		if (value.text && !strcmp(value.text, "auto")) {
			*(unsigned *)at = 0; /* counted when all is read */
			return 0;
		}
		/* fall through */
	case FR_CONF_COUNT:
		return value.text ? FR_EINVAL : set_number(at, key, value.number);
	case FR_CONF_SIZE:
	case FR_CONF_TIME:
		return set_number(at, key,
		                  value.text ? parse_unit(value.text, key->type == FR_CONF_TIME)
		                             : value.number);
	default:
		break;
	}
	if (!value.text)
		return FR_EINVAL;
	switch (key->type) {
	case FR_CONF_APP:
		return set_app(at, value.text, &e);
	case FR_CONF_DIR:
		return set_dir(at, value.text, base, &e);
	case FR_CONF_PYTHON:
		return set_python(at, value.text, base, &e);
	case FR_CONF_LISTEN:
		return add_listen(config, value.text, base, &e);
	case FR_CONF_ADDRESS:
		return set_address(at, value.text, base, &e);
	case FR_CONF_BOOL:
		return set_bool(at, value.text);
	case FR_CONF_CHOICE:
		return set_choice(at, key, value.text);
	case FR_CONF_FILE:
		return set_file(at, value.text, base, &e);
	case FR_CONF_SOCKET:
		return set_socket(at, value.text, base, &e);
	case FR_CONF_USER:
		return set_user(at, value.text, &e);
	case FR_CONF_GROUP:
		return set_group(at, value.text, &e);
	default:
		return FR_EINVAL;
	}
}

static char *quote(const char *text)
{
	cJSON *string = cJSON_CreateString(text);
	char *out = string ? cJSON_PrintUnformatted(string) : NULL;

	cJSON_Delete(string);
	return out;
}

static char *format_listen(const struct fr_config *config)
{
	cJSON *list =
		cJSON_CreateStringArray((const char *const *)config->listen, (int)config->nlisten);
	char *out = list ? cJSON_PrintUnformatted(list) : NULL;

	cJSON_Delete(list);
	return out;
}

int fr_conf_format(const struct fr_config *config, const struct fr_conf_key *key, char **ret)
{
	const void *at = (const char *)config + key->offset;
	char text[64];
	char *out;

	switch (key->type) {
	case FR_CONF_WORKERS:
		if (!*(const unsigned *)at) { /* not counted yet */
			out = quote("auto");
			break;
		}
		/* fall through */
	case FR_CONF_COUNT:
		snprintf(text, sizeof text, "%llu",
		         key->size == sizeof(unsigned) ? *(const unsigned *)at
		                                       : (unsigned long long)*(const uint64_t *)at);
		out = strdup(text);
		break;
	case FR_CONF_SIZE:
		format_size((double)*(const uint64_t *)at, text, sizeof text);
		out = isdigit((unsigned char)text[strlen(text) - 1]) ? strdup(text) : quote(text);
		break;
	case FR_CONF_TIME:
		format_time(*(const double *)at, text, sizeof text);
		out = quote(text);
		break;
	case FR_CONF_BOOL:
		out = strdup(*(const int *)at ? "true" : "false");
		break;
	case FR_CONF_CHOICE:
		out = quote(key->choices[*(const int *)at]);
		break;
	case FR_CONF_LISTEN:
		out = format_listen(config);
		break;
	default:
		out = *(char *const *)at ? quote(*(char *const *)at) : strdup("");
		break;
	}
	if (!out)
		return FR_ENOMEM;
	*ret = out;
	return 0;
}
