/* The text of fastrapi.conf: comments and the walk that finds positions. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/conf_text.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fr_conf_marks marks;
	struct fr_diag diag;
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (!fr_conf_blank(text, size, "x", &diag) && !fr_conf_walk(text, size, "x", &marks, &diag))
		fr_conf_marks_fini(&marks);
	free(text);
	return 0;
}
