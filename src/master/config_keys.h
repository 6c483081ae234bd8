/*
 * The one table of configuration keys: names, types, defaults, bounds, text.
 *
 * Validation, `-T`, the reference and the man page all come from it.  Called
 * by config.c, options.c and reference.c on the master's thread; the table is
 * constant.
 */
#ifndef FR_MASTER_CONFIG_KEYS_H
#define FR_MASTER_CONFIG_KEYS_H

#include <stddef.h>

#include "base/err.h"
#include "master/config.h"

enum fr_conf_type {
	FR_CONF_APP, /* "module:attribute" */
	FR_CONF_DIR, /* a folder that exists */
	FR_CONF_PYTHON, /* an interpreter, or a virtual environment */
	FR_CONF_LISTEN, /* a list of addresses */
	FR_CONF_ADDRESS, /* one address */
	FR_CONF_WORKERS, /* a count or "auto" */
	FR_CONF_BOOL, /* true or false */
	FR_CONF_COUNT, /* a whole number */
	FR_CONF_SIZE, /* bytes: 65536 or "64K" */
	FR_CONF_TIME, /* seconds: 1.5 or "1500ms" */
	FR_CONF_CHOICE, /* one of a few words */
	FR_CONF_FILE, /* a file that we will write */
	FR_CONF_SOCKET, /* a Unix socket that we will make */
	FR_CONF_USER,
	FR_CONF_GROUP,
};

struct fr_conf_key {
	const char *name; /* dotted: "limits.uri" */
	enum fr_conf_type type;
	size_t offset, size; /* of the member of struct fr_config */
	const char *value; /* the default, as on the command line; NULL: none */
	double min, max; /* of numbers, inclusive */
	const char *const *choices; /* NULL-terminated, in the order of the enum */
	const char *text; /* for the reference */
};

extern const struct fr_conf_key fr_conf_keys[];
extern const size_t fr_conf_nkeys;

/*
 * A value as JSON or the command line gives it: text, or a number if text is
 * NULL.  JSON's true and false are those words.
 */
struct fr_conf_value {
	const char *text;
	double number;
};

const struct fr_conf_key *fr_conf_key_find(const char *name);

/* The name of the key, or of the section, that an unknown dotted name probably meant, or NULL. */
const char *fr_conf_key_nearest(const char *name);

/* Whether name is the first part of dotted keys: "limits". */
int fr_conf_is_section(const char *name);

/*
 * Sets one key; a list is appended to.  Paths are taken relative to base.
 * FR_EINVAL: expected (of that size) says what would have been right, to
 * follow "expected"; the configuration is then unchanged.
 */
int fr_conf_set(struct fr_config *config, const struct fr_conf_key *key, struct fr_conf_value value,
                const char *base, char *expected, size_t size) FR_MUST_CHECK;

/* A value from the command line: digits are a number. */
struct fr_conf_value fr_conf_value_of(const char *text);

/* The current value as JSON, or "" if there is none.  Returns 0 or FR_ENOMEM; free *ret. */
int fr_conf_format(const struct fr_config *config, const struct fr_conf_key *key,
                   char **ret) FR_MUST_CHECK;

/* What a key's value looks like, in words: `size: 65536 or "64K", from 1K to 1G`. */
void fr_conf_describe(const struct fr_conf_key *key, char *out, size_t size);

#endif
