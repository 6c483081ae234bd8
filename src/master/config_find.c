/* Where a server may be asked, from a configuration that can't be used. */
#include "master/config_load.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "master/conf_text.h"

#define MAX_FILE (1u << 20)

static char *read_all(const char *file, size_t *ret_len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : malloc(MAX_FILE + 1);
	size_t len = 0;
	ssize_t n;

	while (text && len < MAX_FILE && (n = read(fd, text + len, MAX_FILE - len)) > 0)
		len += (size_t)n;
	if (fd >= 0)
		close(fd);
	if (text)
		text[len] = 0;
	*ret_len = len;
	return text;
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* The end of the string that begins at p, or NULL. */
static const char *string_end(const char *p)
{
	for (p++; *p && *p != '"' && *p != '\n'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p == '"' ? p + 1 : NULL;
}

/* The first string that stands after "key" and a colon; NULL: none does. */
static char *find_string(const char *text, const char *key)
{
	char quoted[32];

	snprintf(quoted, sizeof quoted, "\"%s\"", key);
	for (const char *p = strstr(text, quoted); p; p = strstr(p + 1, quoted)) {
		const char *colon = skip_blanks(p + strlen(quoted)), *value, *end;
		cJSON *node;
		char *copy;

		if (*colon != ':')
			continue;
		value = skip_blanks(colon + 1);
		end = *value == '"' ? string_end(value) : NULL;
		node = end ? cJSON_ParseWithLength(value, (size_t)(end - value)) : NULL;
		copy = cJSON_IsString(node) && *node->valuestring ? strdup(node->valuestring)
		                                                  : NULL;
		cJSON_Delete(node);
		if (copy)
			return copy;
	}
	return NULL;
}

/* As the file means it: relative to its folder. */
static void find_path(const char *text, const char *key, const char *file, char **at)
{
	char *value = *at ? NULL : find_string(text, key), *copy, *folder;

	if (!value)
		return;
	if (*value == '/') {
		*at = value;
		return;
	}
	copy = strdup(file);
	folder = copy ? realpath(dirname(copy), NULL) : NULL;
	if (!folder || asprintf(at, "%s/%s", folder, value) < 0)
		*at = NULL;
	free(folder);
	free(copy);
	free(value);
}

void fr_config_find(struct fr_config *config, const char *file)
{
	struct fr_diag diag;
	size_t len;
	char *text = read_all(file, &len);

	if (!text)
		return;
	if (fr_conf_blank(text, len, file, &diag) < 0)
		text[strcspn(text, "*")] = 0; /* a comment without an end: what stands before it */
	find_path(text, "control", file, &config->control);
	find_path(text, "pid_file", file, &config->pid_file);
	free(text);
}
