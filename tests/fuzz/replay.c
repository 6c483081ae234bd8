/*
 * Runs a fuzz target over its corpus, for builds without libFuzzer.
 *
 *     fuzz_x [FILE-OR-FOLDER...]      default: tests/fuzz/corpus/fuzz_x
 *
 * Besides each file as it is, prefixes and copies of it with single bits
 * flipped are fed, the same ones each time: as many as bring a corpus to some
 * BUDGET of runs.  At least one input must have been there.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/check.h"

#define CORPUS_FILE_MAX (1u << 20)
#define VARIANTS 100u /* at most, each a prefix and a flip */
#define BUDGET 20000u

static unsigned inputs, variants = VARIANTS;

/* In memory of exactly this size, so that a sanitizer sees a read beyond. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void feed_variants(uint8_t *data, size_t size)
{
	uint64_t random = 88172645463325252u;

	feed(data, size);
	for (unsigned i = 0; size && i < variants; i++) {
		size_t at;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		at = random % size;
		feed(data, at);
		data[at] ^= (uint8_t)(1u << (random >> 61));
		feed(data, size);
		if (i % 4) /* every fourth flip stays */
			data[at] ^= (uint8_t)(1u << (random >> 61));
	}
}

static int run_file(const char *path)
{
	static uint8_t data[CORPUS_FILE_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof data, file);
	fclose(file);
	inputs++;
	feed_variants(data, size);
	return 0;
}

static int run_folder(const char *path, DIR *folder)
{
	const struct dirent *entry;
	char name[8192];
	unsigned files = 0;
	int failed = 0;

	while ((entry = readdir(folder)))
		files += entry->d_name[0] != '.';
	rewinddir(folder);
	if (files * 2 * VARIANTS > BUDGET)
		variants = BUDGET / 2 / files;
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		failed |= run_file(name);
	}
	return failed;
}

static int run(const char *path)
{
	DIR *folder = opendir(path);
	int failed = folder ? run_folder(path, folder) : run_file(path);

	if (folder)
		closedir(folder);
	return failed;
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir"); /* set by make check */
	const char *name = strrchr(argv[0], '/');
	char corpus[4096];
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= run(argv[i]);
	if (argc == 1) {
		snprintf(corpus, sizeof corpus, "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
		         name ? name + 1 : argv[0]);
		failed = run(corpus);
	}
	if (failed || !inputs) {
		fprintf(stderr, "%u inputs: the corpus is empty or can't be read\n", inputs);
		return 1;
	}
	printf("ok 1 - %u inputs and their variants\n", inputs);
	return 0;
}
