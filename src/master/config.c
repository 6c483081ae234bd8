#include "master/config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "master/conf_text.h"
#include "master/config_keys.h"
#include "master/listeners.h"

#define MAX_FILE (1u << 20)
#define MAX_EXPECTED 512

_Static_assert((int)FR_LOG_DEBUG == (int)FR_DEBUG && (int)FR_LOG_ERROR == (int)FR_ERROR,
               "the configuration's levels are the log's");

void fr_config_init(struct fr_config *config)
{
	char expected[MAX_EXPECTED];

	*config = (struct fr_config){ 0 };
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		const struct fr_conf_key *key = &fr_conf_keys[i];

		/* Defaults of the table are numbers and words: none allocates, a test sets each. */
		if (key->value && fr_conf_set(config, key, fr_conf_value_of(key->value), NULL,
		                              expected, sizeof expected) < 0)
			abort();
	}
}

void fr_config_clear_listen(struct fr_config *config)
{
	while (config->nlisten)
		free(config->listen[--config->nlisten]);
}

void fr_config_fini(struct fr_config *config)
{
	fr_config_clear_listen(config);
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		enum fr_conf_type type = fr_conf_keys[i].type;

		if (type == FR_CONF_ADDRESS)
			free(*(char **)((char *)config + fr_conf_keys[i].offset));

		if (type == FR_CONF_APP || type == FR_CONF_DIR || type == FR_CONF_PYTHON ||
		    type == FR_CONF_FILE || type == FR_CONF_SOCKET || type == FR_CONF_USER ||
		    type == FR_CONF_GROUP)
			free(*(char **)((char *)config + fr_conf_keys[i].offset));
	}
	free(config->file);
	*config = (struct fr_config){ 0 };
}

/* ---- reading a file ---- */

struct reader {
	struct fr_config *config;
	const char *file; /* as given, for messages */
	const char *text; /* of the file, comments blanked */
	char *base; /* its folder */
	struct fr_conf_marks marks;
	struct fr_diag *diag;
};

static int slurp(const char *file, char **ret, size_t *ret_len, struct fr_diag *diag)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), err = 0;
	char *text = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return fr_diag_errno(diag, errno, file, "can't open the configuration");
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		err = fr_diag_set(diag, FR_EINVAL, file,
		                  "found a folder, expected a configuration file");
		goto out;
	}
	text = malloc(MAX_FILE + 2);
	if (!text) {
		err = fr_diag_set(diag, FR_ENOMEM, file, "out of memory");
		goto out;
	}
	while (len <= MAX_FILE) {
		n = read(fd, text + len, MAX_FILE + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = fr_diag_errno(diag, errno, file, "can't read the configuration");
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (!err && len > MAX_FILE)
		err = fr_diag_set(diag, FR_ELIMIT, file,
		                  "found more than 1 MiB, expected a configuration");
	if (err)
		goto out;
	text[len] = 0;
	*ret = text;
	*ret_len = len;
	text = NULL;
out:
	free(text);
	close(fd);
	return err;
}

/* "found ..." for a value: what stands in the file, or its kind if that says more. */
static void describe_found(const struct reader *r, const char *path, const cJSON *item, char *out,
                           size_t size)
{
	const struct fr_conf_mark *mark = fr_conf_find(&r->marks, path);
	size_t len = mark ? mark->len : 0;

	if (cJSON_IsObject(item) || cJSON_IsArray(item) || !mark) {
		snprintf(out, size, "%s", cJSON_IsArray(item) ? "a list" : "an object");
	} else if (len > 80) {
		for (len = 76; len > 72 && (r->text[mark->at + len] & 0xc0) == 0x80;)
			len--; /* not inside a character */
		snprintf(out, size, "%.*s...%s", (int)len, r->text + mark->at,
		         cJSON_IsString(item) ? "\"" : "");
	} else {
		snprintf(out, size, "%.*s", (int)len, r->text + mark->at);
	}
}

static struct fr_conf_pos value_pos(const struct reader *r, const char *path)
{
	const struct fr_conf_mark *mark = fr_conf_find(&r->marks, path);

	return mark ? mark->value : (struct fr_conf_pos){ 1, 1 };
}

static int read_value(struct reader *r, const struct fr_conf_key *key, const cJSON *item,
                      const char *path)
{
	char expected[MAX_EXPECTED], found[128];
	int err = FR_EINVAL, is_bool = key->type == FR_CONF_BOOL;

	fr_conf_describe(key, expected, sizeof expected);
	if (is_bool && cJSON_IsBool(item)) {
		struct fr_conf_value value = { cJSON_IsTrue(item) ? "true" : "false", 0 };

		err = fr_conf_set(r->config, key, value, r->base, expected, sizeof expected);
	} else if (!is_bool && (cJSON_IsString(item) || cJSON_IsNumber(item))) {
		struct fr_conf_value value = { cJSON_IsString(item) ? item->valuestring : NULL,
			                       item->valuedouble };

		err = fr_conf_set(r->config, key, value, r->base, expected, sizeof expected);
	}
	if (err == 0)
		return 0;
	if (err != FR_EINVAL)
		return fr_diag_set(r->diag, err, r->file, "%s", fr_err_name((enum fr_err)err));
	describe_found(r, path, item, found, sizeof found);
	return fr_conf_error(r->diag, r->file, value_pos(r, path),
	                     "found %s for \"%s\", expected %s", found, path, expected);
}

/* The last address of "listen" is none of those before it. */
static int check_listen(struct reader *r, const char *path)
{
	const struct fr_config *c = r->config;
	size_t last = c->nlisten - 1;

	for (size_t i = 0; i < last; i++) {
		char first[64];

		if (!fr_listen_same(c->listen[i], c->listen[last]))
			continue;
		snprintf(first, sizeof first, "listen[%zu]", i);
		return fr_conf_error(r->diag, r->file, value_pos(r, path),
		                     "found \"%.200s\" for \"%s\", which listens where \"%.200s\" "
		                     "of line %u does, expected each address once",
		                     c->listen[last], path, c->listen[i], value_pos(r, first).line);
	}
	return 0;
}

/* The address of "listen" that the status has, too; NULL: none. */
static const char *status_clash(const struct fr_config *config)
{
	for (size_t i = 0; config->status.listen && i < config->nlisten; i++)
		if (fr_listen_same(config->listen[i], config->status.listen))
			return config->listen[i];
	return NULL;
}

#define STATUS_CLASH                                                                               \
	"found \"%.200s\" for \"status.listen\", which listens where \"%.200s\" of \"listen\" "    \
	"does, expected an address of its own"

static int read_list(struct reader *r, const struct fr_conf_key *key, const cJSON *item)
{
	const cJSON *element;
	char path[64];
	int err, i = 0;

	if (!cJSON_IsArray(item) || !item->child) {
		char expected[MAX_EXPECTED], found[128];

		fr_conf_describe(key, expected, sizeof expected);
		describe_found(r, key->name, item, found, sizeof found);
		return fr_conf_error(r->diag, r->file, value_pos(r, key->name),
		                     "found %s%s for \"%s\", expected %s",
		                     cJSON_IsArray(item) ? "an empty list" : found, "", key->name,
		                     expected);
	}
	cJSON_ArrayForEach(element, item)
	{
		snprintf(path, sizeof path, "%s[%d]", key->name, i++);
		if ((err = read_value(r, key, element, path)) < 0 ||
		    (err = check_listen(r, path)) < 0)
			return err;
	}
	return 0;
}

/* name: the key as it stands there; path: with the section it stands in. */
static int unknown_key(struct reader *r, const char *path, const char *name)
{
	const struct fr_conf_mark *mark = fr_conf_find(&r->marks, path);
	struct fr_conf_pos pos = mark ? mark->key : (struct fr_conf_pos){ 1, 1 };
	const char *nearest = fr_conf_key_find(name) ? name : fr_conf_key_nearest(path), *dot;

	dot = nearest ? strchr(nearest, '.') : NULL;
	if (dot && strchr(name, '.'))
		return fr_conf_error(r->diag, r->file, pos,
		                     "found the key \"%s\", expected a section, which is an "
		                     "object: {\"%.*s\": {\"%s\": ...}}",
		                     path, (int)(dot - nearest), nearest, dot + 1);
	if (nearest)
		return fr_conf_error(
			r->diag, r->file, pos,
			"found the unknown key \"%s\", expected a known one: is it \"%s\"?", path,
			nearest);
	return fr_conf_error(
		r->diag, r->file, pos,
		"found the unknown key \"%s\", expected a known one (fastrapid --reference "
		"md lists them)",
		path);
}

static int read_object(struct reader *r, const cJSON *object, const char *prefix)
{
	const cJSON *item;
	char path[256];
	int err;

	cJSON_ArrayForEach(item, object)
	{
		const struct fr_conf_key *key;

		snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", item->string);
		/* A dot inside a key is no way into a section. */
		key = strchr(item->string, '.') ? NULL : fr_conf_key_find(path);
		if (key && key->type == FR_CONF_LISTEN) {
			err = read_list(r, key, item);
		} else if (key) {
			err = read_value(r, key, item, path);
		} else if (!*prefix && fr_conf_is_section(path)) {
			char found[128];

			describe_found(r, path, item, found, sizeof found);
			err = cJSON_IsObject(item)
			              ? read_object(r, item, path)
			              : fr_conf_error(r->diag, r->file, value_pos(r, path),
			                              "found %s for \"%s\", expected an object",
			                              found, path);
		} else {
			err = unknown_key(r, path, item->string);
		}
		if (err < 0)
			return err;
	}
	return 0;
}

/* The folder of a file, absolute. */
static char *folder_of(const char *file)
{
	char *copy = strdup(file), *out = copy ? realpath(dirname(copy), NULL) : NULL;

	free(copy);
	return out;
}

static int parse(struct reader *r, const char *text, size_t len, cJSON **ret)
{
	const char *end;

	errno = 0; /* cJSON doesn't tell a short memory from bad text, malloc() does */
	*ret = cJSON_ParseWithLengthOpts(text, len + 1, &end, 1);
	if (*ret)
		return 0;
	if (errno == ENOMEM)
		return fr_diag_set(r->diag, FR_ENOMEM, r->file, "out of memory");
	return fr_diag_set(r->diag, FR_EINVAL, r->file,
	                   "found a value that can't be read, expected JSON with comments");
}

/* The application is looked for beside the file. */
static int take_base(struct reader *r)
{
	char expected[MAX_EXPECTED];
	int err = fr_conf_set(r->config, fr_conf_key_find("app_dir"),
	                      (struct fr_conf_value){ .text = r->base }, NULL, expected,
	                      sizeof expected);

	if (err == 0)
		return 0;
	if (err == FR_ENOMEM)
		return fr_diag_set(r->diag, err, r->file, "out of memory");
	return fr_diag_set(r->diag, FR_EIO, r->file, "can't use the file's folder");
}

int fr_config_read(struct fr_config *config, const char *file, struct fr_diag *diag)
{
	struct reader r = { .config = config, .file = file, .diag = diag };
	cJSON *tree = NULL;
	const char *clash;
	char *text = NULL;
	size_t len = 0;
	int err;

	if ((err = slurp(file, &text, &len, diag)) < 0)
		return err;
	if ((err = fr_conf_blank(text, len, file, diag)) < 0 ||
	    (err = fr_conf_walk(text, len, file, &r.marks, diag)) < 0)
		goto out;
	r.text = text;
	if ((err = parse(&r, text, len, &tree)) < 0)
		goto out;
	r.base = folder_of(file);
	if (!r.base) {
		err = fr_diag_errno(diag, errno, file, "can't find the file's folder");
		goto out;
	}
	free(config->file);
	config->file = realpath(file, NULL);
	err = config->file ? read_object(&r, tree, "")
	                   : fr_diag_errno(diag, errno, file, "can't resolve");
	if (err == 0 && (clash = status_clash(config)))
		err = fr_conf_error(diag, file, value_pos(&r, "status.listen"), STATUS_CLASH,
		                    config->status.listen, clash);
	if (err == 0 && !config->app_dir)
		err = take_base(&r);
out:
	cJSON_Delete(tree);
	fr_conf_marks_fini(&r.marks);
	free(r.base);
	free(text);
	return err;
}

/* ---- the command line, and the rest ---- */

int fr_config_option(struct fr_config *config, const char *key, const char *text, const char *where,
                     struct fr_diag *diag)
{
	char expected[MAX_EXPECTED], *here = realpath(".", NULL);
	int err = here ? fr_conf_set(config, fr_conf_key_find(key), fr_conf_value_of(text), here,
	                             expected, sizeof expected)
	          : errno == ENOMEM ? FR_ENOMEM
	                            : FR_EIO;

	free(here);
	if (err == FR_EINVAL)
		return fr_diag_set(diag, FR_EINVAL, where, "found \"%.200s\", expected %s", text,
		                   expected);
	if (err < 0)
		return fr_diag_set(diag, err, where, "%s", fr_err_name((enum fr_err)err));
	for (size_t i = 0; !strcmp(key, "listen") && i + 1 < config->nlisten; i++)
		if (fr_listen_same(config->listen[i], config->listen[config->nlisten - 1]))
			return fr_diag_set(diag, FR_EINVAL, where,
			                   "found \"%.200s\", which listens where \"%.200s\" does, "
			                   "expected each address once",
			                   text, config->listen[i]);
	return 0;
}

int fr_config_default_control(struct fr_config *config, struct fr_diag *diag)
{
	if (!config->control && config->pid_file &&
	    strlen(config->pid_file) + 5 < sizeof((struct sockaddr_un *)0)->sun_path &&
	    asprintf(&config->control, "%s.sock", config->pid_file) < 0) {
		config->control = NULL;
		return fr_diag_set(diag, FR_ENOMEM, "control", "out of memory");
	}
	return 0;
}

/* As many of them as there may be workers. */
static unsigned usable_cores(void)
{
	const struct fr_conf_key *key = fr_conf_key_find("workers");
	cpu_set_t usable;
	int n = 0;

	if (sched_getaffinity(0, sizeof usable, &usable) == 0)
		n = CPU_COUNT(&usable);
	return n < 1 ? 1 : n > (int)key->max ? (unsigned)key->max : (unsigned)n;
}

int fr_config_finish(struct fr_config *config, struct fr_diag *diag)
{
	const unsigned cores = usable_cores();
	const char *clash;
	int err;

	if (!config->app_dir &&
	    (err = fr_config_option(config, "app_dir", ".", "app_dir", diag)) < 0)
		return err;
	if (!config->nlisten &&
	    (err = fr_config_option(config, "listen", "127.0.0.1:8000", "listen", diag)) < 0)
		return err;
	if ((clash = status_clash(config)))
		return fr_diag_set(diag, FR_EINVAL, config->file, STATUS_CLASH,
		                   config->status.listen, clash);
	if ((err = fr_config_default_control(config, diag)) < 0)
		return err;
	if (!config->workers)
		config->workers = cores;
	if (!config->limits.starting)
		config->limits.starting = cores > 1 ? cores / 2 : 1;
	return 0;
}

int fr_config_print(const struct fr_config *config, FILE *out)
{
	const char *section = "", *comma = "";

	fprintf(out, "{");
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		const char *name = fr_conf_keys[i].name, *dot = strchr(name, '.');
		size_t len = dot ? (size_t)(dot - name) : 0;
		char *value;
		int err = fr_conf_format(config, &fr_conf_keys[i], &value);

		if (err < 0)
			return err;
		if (*section && (strncmp(section, name, len) || !len)) {
			fprintf(out, "\n\t}");
			comma = ",";
			section = "";
		}
		if (!*section && len) {
			fprintf(out, "%s\n\t\"%.*s\": {", comma, (int)len, name);
			section = name;
			comma = "";
		}
		if (*value) {
			fprintf(out, "%s\n\t%s\"%s\": %s", comma, len ? "\t" : "",
			        dot ? dot + 1 : name, value);
			comma = ",";
		}
		free(value);
	}
	fprintf(out, "%s\n}\n", *section ? "\n\t}" : "");
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		char *value;
		int err = fr_conf_format(config, &fr_conf_keys[i], &value);

		if (err < 0)
			return err;
		if (!*value)
			fprintf(out, "// not set: %s\n", fr_conf_keys[i].name);
		free(value);
	}
	return ferror(out) ? FR_EIO : 0;
}
