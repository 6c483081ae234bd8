#include "tests/unit/manifests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char manifest_full[] =
	"{\"version\": 1,\n"
	" \"app\": {\"name\": \"main:app\", \"redirect_slashes\": true, \"wrapped\": false,"
	" \"debug\": false, \"root_path\": \"/api\",\n"
	" \"middleware\": [\"main.Timed\", \"main.Gzip\"],"
	" \"handlers\": [\"404: main.lost\", \"main.Odd: main.on_odd\"],"
	" \"last_handler\": \"main.on_error\"},\n"
	" \"places\": 2,\n"
	" \"objects\": [\"route POST /items/{item_id}\", \"validator item_id\", \"default q\","
	" \"call main:get_db\", \"call main:create\", \"validator body\", \"scopes\","
	" \"model headers\", \"form reader\", \"serializer Item\", \"field q\", \"mount /static\","
	" \"regex\", \"route WebSocket /chat/{room}\"],\n"
	" \"routes\": [\n"
	"  {\"kind\": \"plan\", \"why\": null, \"path\": \"/items/{item_id}\","
	" \"pattern\": [[\"lit\", \"items\"], [\"int\", \"item_id\"]], \"side\": null,"
	" \"methods\": [\"POST\", \"PURGE\"], \"name\": \"create\", \"endpoint\": \"main.create\","
	" \"file\": \"/app/main.py\", \"line\": 12, \"object\": 0, \"params\": [\"item_id\"],"
	" \"status\": 201, \"body\": \"json\", \"strict_content_type\": true, \"max_body\": 65536,"
	" \"slots\": 9, \"marks\": 1, \"caches\": 1, \"steps\": [\n"
	"   {\"op\": \"mark\", \"mark\": 0},\n"
	"   {\"op\": \"cached\", \"cache\": 0, \"slot\": 0, \"jump\": 3},\n"
	"   {\"op\": \"call\", \"name\": \"main.get_db\", \"object\": 3, \"mode\": \"gen\","
	" \"args\": [], \"slot\": 0, \"mark\": 0, \"cache\": 0, \"use_cache\": true,"
	" \"function_scope\": false, \"place\": 0},\n"
	"   {\"op\": \"param\", \"in\": \"path\", \"name\": \"item_id\", \"alias\": \"item_id\","
	" \"slot\": 1, \"sequence\": false, \"fast\": \"int\", \"object\": 1,"
	" \"default_mode\": \"required\"},\n"
	"   {\"op\": \"param\", \"in\": \"query\", \"name\": \"q\", \"alias\": \"q\", \"slot\": 2,"
	" \"sequence\": true, \"fast\": \"none\", \"object\": 1, \"default_mode\": \"copy\","
	" \"object2\": 2, \"validate_default\": true, \"object3\": 10},\n"
	"   {\"op\": \"pyparam\", \"in\": \"header\", \"name\": \"headers\", \"slot\": 3,"
	" \"object\": 7},\n"
	"   {\"op\": \"body\", \"name\": \"item\", \"alias\": \"item\", \"slot\": 4,"
	" \"embed\": true, \"direct\": true, \"object\": 5, \"default_mode\": \"required\"},\n"
	"   {\"op\": \"pybody\", \"object\": 8, \"args\": [[\"file\", 5]]},\n"
	"   {\"op\": \"special\", \"what\": \"scopes\", \"slot\": 6, \"object\": 6},\n"
	"   {\"op\": \"special\", \"what\": \"request\", \"slot\": 7},\n"
	"   {\"op\": \"endpoint\", \"name\": \"main.create\", \"object\": 4, \"mode\": \"sync\","
	" \"args\": [[\"db\", 0], [\"item_id\", 1], [\"q\", 2], [\"item\", 4]], \"slot\": 8,"
	" \"place\": 1},\n"
	"   {\"op\": \"respond\", \"mode\": \"field_json\", \"object\": 5, \"object3\": 9,"
	" \"validate\": true, \"slot\": 8}]},\n"
	"  {\"kind\": \"asgi\", \"why\": \"it is mounted\", \"path\": \"/static\", \"pattern\": "
	"null,"
	" \"side\": {\"kind\": \"route\", \"object\": 11, \"prefix\": \"/static\"},"
	" \"methods\": null, \"name\": \"static\", \"endpoint\": null, \"file\": null, \"line\": 0,"
	" \"object\": 11, \"params\": [], \"status\": 0, \"body\": \"none\","
	" \"strict_content_type\": false, \"max_body\": null, \"slots\": 0,"
	" \"marks\": 0, \"caches\": 0, \"steps\": []},\n"
	"  {\"kind\": \"plan\", \"why\": null, \"path\": \"/files/{name}.{ext}\", \"pattern\": "
	"null,"
	" \"side\": {\"kind\": \"regex\", \"object\": 12, \"prefix\": \"/files/\"},"
	" \"methods\": [\"GET\"], \"name\": \"file\", \"endpoint\": \"main.create\","
	" \"file\": \"/app/main.py\", \"line\": 30, \"object\": 0, \"params\": [\"name\", \"ext\"],"
	" \"status\": 0, \"body\": \"none\", \"strict_content_type\": true, \"max_body\": null,"
	" \"slots\": 1, \"marks\": 0, \"caches\": 0, \"steps\": [\n"
	"   {\"op\": \"endpoint\", \"name\": \"main.create\", \"object\": 4, \"mode\": \"async\","
	" \"args\": [], \"slot\": 0},\n"
	"   {\"op\": \"respond\", \"mode\": \"encoder\", \"slot\": 0}]},\n"
	"  {\"kind\": \"plan\", \"why\": null, \"path\": \"/\", \"pattern\": [[\"lit\", \"\"]], "
	"\"side\": null,"
	" \"methods\": [\"GET\"], \"name\": \"home\", \"endpoint\": \"main.home\","
	" \"file\": \"/app/main.py\", \"line\": 40, \"object\": 0, \"params\": [],"
	" \"status\": 0, \"body\": \"none\", \"strict_content_type\": true, \"max_body\": null,"
	" \"slots\": 1, \"marks\": 0, \"caches\": 0, \"steps\": [\n"
	"   {\"op\": \"endpoint\", \"name\": \"main.home\", \"object\": 4, \"mode\": \"async\","
	" \"args\": [], \"slot\": 0},\n"
	"   {\"op\": \"respond\", \"mode\": \"python\", \"object2\": 8, \"slot\": 0}]},\n"
	"  {\"kind\": \"plan\", \"why\": null, \"path\": \"/docs/{rest:path}\","
	" \"pattern\": [[\"lit\", \"docs\"], [\"path\", \"rest\"]], \"side\": null,"
	" \"methods\": [\"GET\"], \"name\": \"docs\", \"endpoint\": \"main.docs\","
	" \"file\": \"/app/main.py\", \"line\": 50, \"object\": 0, \"params\": [\"rest\"],"
	" \"status\": 0, \"body\": \"form\", \"strict_content_type\": true, \"max_body\": null,"
	" \"slots\": 1, \"marks\": 0, \"caches\": 0, \"steps\": [\n"
	"   {\"op\": \"endpoint\", \"name\": \"main.docs\", \"object\": 4, \"mode\": \"agen\","
	" \"args\": [], \"slot\": 0},\n"
	"   {\"op\": \"respond\", \"mode\": \"class\", \"object2\": 8, \"slot\": 0}]},\n"
	"  {\"kind\": \"websocket\", \"why\": null, \"path\": \"/chat/{room}\", \"pattern\": null,"
	" \"side\": {\"kind\": \"route\", \"object\": 13, \"prefix\": \"/chat/\"},"
	" \"methods\": [\"WEBSOCKET\"], \"name\": \"chat\", \"endpoint\": \"main.chat\","
	" \"file\": \"/app/main.py\", \"line\": 60, \"object\": 13, \"params\": [\"room\"],"
	" \"status\": 0, \"body\": \"none\", \"strict_content_type\": false, \"max_body\": null,"
	" \"slots\": 0, \"marks\": 0, \"caches\": 0, \"steps\": []}\n"
	" ]}\n";

static void put_json(FILE *out, const char *text, size_t len)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

/* The name and convertor of "{name:conv}" at p; conv is "str" where there is none. */
static void param(const char *p, const char **ret_end, size_t *ret_name, const char **ret_conv,
                  size_t *ret_conv_len)
{
	const char *end = strchr(p, '}'), *colon = memchr(p, ':', (size_t)(end - p));

	*ret_end = end + 1;
	*ret_name = (size_t)((colon ? colon : end) - p) - 1;
	*ret_conv = colon ? colon + 1 : "str";
	*ret_conv_len = colon ? (size_t)(end - colon) - 1 : 3;
}

bool manifest_is_side(const char *path)
{
	const char *end, *conv;
	size_t name, conv_len;

	for (const char *p = strchr(path, '{'); p; p = strchr(end, '{')) {
		param(p, &end, &name, &conv, &conv_len);
		if (p[-1] != '/' || (*end && *end != '/'))
			return true;
		if (!strncmp(conv, "path", conv_len) && *end)
			return true;
	}
	return false;
}

static void put_params(FILE *out, const char *path)
{
	const char *end, *conv, *comma = "";
	size_t name, conv_len;

	fputs(", \"params\": [", out);
	for (const char *p = strchr(path, '{'); p; p = strchr(end, '{')) {
		param(p, &end, &name, &conv, &conv_len);
		fprintf(out, "%s\"%.*s\"", comma, (int)name, p + 1);
		comma = ", ";
	}
	fputs("]", out);
}

static void put_pattern(FILE *out, const char *path, bool aside)
{
	const char *end, *conv, *comma = "";
	size_t name, conv_len;

	if (aside || manifest_is_side(path)) {
		fputs(", \"pattern\": null, \"side\": {\"kind\": \"regex\", \"object\": 0, "
		      "\"prefix\": ",
		      out);
		put_json(out, path, strcspn(path, "{"));
		fputs("}", out);
		return;
	}
	fputs(", \"pattern\": [", out);
	for (const char *p = path; *p; p = end) {
		p++;
		fprintf(out, "%s[", comma);
		comma = ", ";
		if (*p == '{') {
			param(p, &end, &name, &conv, &conv_len);
			fprintf(out, "\"%.*s\", \"%.*s\"]", (int)conv_len, conv, (int)name, p + 1);
		} else {
			end = p + strcspn(p, "/");
			fputs("\"lit\", ", out);
			put_json(out, p, (size_t)(end - p));
			fputs("]", out);
		}
	}
	fputs("], \"side\": null", out);
}

char *manifest_of(const struct manifest_route *routes, size_t n, bool redirect_slashes)
{
	return manifest_aside(routes, n, redirect_slashes, NULL);
}

char *manifest_aside(const struct manifest_route *routes, size_t n, bool redirect_slashes,
                     const bool *aside)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out,
	        "{\"version\": 1, \"app\": {\"name\": \"main:app\", \"redirect_slashes\": %s, "
	        "\"wrapped\": false, \"debug\": false, \"root_path\": \"\", \"middleware\": [], "
	        "\"handlers\": [], \"last_handler\": null}, \"places\": 0, "
	        "\"objects\": [\"thing\"], \"routes\": [",
	        redirect_slashes ? "true" : "false");
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%s{\"kind\": \"plan\", \"why\": null, \"path\": ", i ? ",\n" : "\n");
		put_json(out, routes[i].path, strlen(routes[i].path));
		put_pattern(out, routes[i].path, aside && aside[i]);
		fputs(routes[i].methods[0] ? ", \"methods\": [" : ", \"methods\": null", out);
		for (size_t k = 0; k < MANIFEST_METHODS && routes[i].methods[k]; k++)
			fprintf(out, "%s\"%s\"", k ? ", " : "", routes[i].methods[k]);
		fputs(routes[i].methods[0] ? "]" : "", out);
		fprintf(out,
		        ", \"name\": \"r%zu\", \"endpoint\": \"main.r%zu\", \"file\": \"main.py\", "
		        "\"line\": %zu, \"object\": 0",
		        i, i, i + 1);
		put_params(out, routes[i].path);
		fputs(", \"status\": 0, \"body\": \"none\", \"strict_content_type\": true, "
		      "\"max_body\": null, \"slots\": 1, \"marks\": 0, \"caches\": "
		      "0, "
		      "\"steps\": [{\"op\": \"endpoint\", \"name\": \"main.r\", \"object\": 0, "
		      "\"mode\": \"async\", \"args\": [], \"slot\": 0}, "
		      "{\"op\": \"respond\", \"mode\": \"encoder\", \"slot\": 0}]}",
		      out);
	}
	fputs("]}", out);
	fclose(out);
	return text;
}

char *manifest_of_steps(size_t n)
{
	const struct manifest_route routes[] = { { "/a", { "GET" } }, { "/b", { "GET" } } };
	char *plain = manifest_of(routes, 2, true), *text = NULL;
	char *marks = strstr(plain, "\"marks\": 0"), *steps = strstr(plain, "\"steps\": [");
	size_t size;
	FILE *out = open_memstream(&text, &size);

	marks[strlen("\"marks\": ")] = '1';
	steps += strlen("\"steps\": [");
	fprintf(out, "%.*s", (int)(steps - plain), plain);
	for (size_t i = 2; i < n; i++)
		fputs("{\"op\": \"mark\", \"mark\": 0}, ", out);
	fputs(steps, out);
	fclose(out);
	free(plain);
	return text;
}
