/*
 * fastrapi.conf: any text is refused or read; what was read is printed as a
 * file that reads back the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/config_load.h"
#include "tests/fuzz/check.h"

static char folder[] = "/tmp/fr-fuzz-conf-XXXXXX";
static char file[sizeof folder + 16];

static void clean(void)
{
	unlink(file);
	rmdir(folder);
}

static void write_file(const void *p, size_t len)
{
	FILE *out;

	unlink(file); /* to overwrite it would wait for the disk */
	out = fopen(file, "wb");
	CHECK(out && fwrite(p, 1, len, out) == len && !fclose(out));
}

static char *print(const struct fr_config *config, size_t *ret_len)
{
	char *text;
	FILE *out = open_memstream(&text, ret_len);

	CHECK(out && !fr_config_print(config, out) && !fclose(out));
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fr_config config, again;
	struct fr_diag diag = { 0 };
	char *first, *second;
	size_t first_len, second_len;

	if (!*file) {
		CHECK(mkdtemp(folder));
		snprintf(file, sizeof file, "%s/fastrapi.conf", folder);
		atexit(clean);
	}
	write_file(data, size);
	fr_config_init(&config);
	if (fr_config_read(&config, file, &diag) < 0 || fr_config_finish(&config, &diag) < 0) {
		CHECK(diag.code && diag.where[0] && diag.message[0]);
		fr_config_fini(&config);
		return 0;
	}
	first = print(&config, &first_len);
	write_file(first, first_len);
	fr_config_init(&again);
	CHECK(!fr_config_read(&again, file, &diag) && !fr_config_finish(&again, &diag));
	second = print(&again, &second_len);
	CHECK(first_len == second_len && !memcmp(first, second, first_len));
	free(first);
	free(second);
	fr_config_fini(&config);
	fr_config_fini(&again);
	return 0;
}
