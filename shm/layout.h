/*
 * The image: what a worker executes, as bytes.
 *
 * One contiguous block, written by the builder (builder.h), sealed, then read
 * by every worker and by the in-process builder's caller.  It holds offsets
 * from its first byte and ids, never addresses.  All integers are in host
 * byte order: an image never leaves the machine that made it.  Every struct
 * here has fixed-width fields, a size that is a multiple of 8, and no padding
 * that is not named.  fr_image_verify() walks every offset before anything
 * else is read.
 *
 * Who calls it: builder.c writes, verify.c checks, route.c and workers/ read.
 * Thread: any; an image is immutable once built.
 */
#ifndef FR_SHM_LAYOUT_H
#define FR_SHM_LAYOUT_H

#include <stdint.h>

#define FR_IMAGE_MAGIC 0x4652494d41474531ULL /* "FRIMAGE1" */
#define FR_IMAGE_VERSION 3u

/* No object, no slot, no cache, no string. */
#define FR_NONE32 UINT32_MAX
#define FR_NONE16 UINT16_MAX

/* A byte string inside the image; also NUL-terminated for the reader's ease. */
struct fr_str {
	uint32_t off;
	uint32_t len;
};

/* An array inside the image: count elements of one struct from off on. */
struct fr_vec {
	uint32_t off;
	uint32_t count;
};

struct fr_image {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* of the whole image, bytes */
	uint64_t seed; /* of the route hashes */
	uint8_t fingerprint[32]; /* of the manifest: BLAKE2b-256 of its bytes */
	uint32_t app_flags; /* enum fr_app_flag */
	uint32_t nobjects; /* ids below this one are bound by the worker */
	struct fr_str app_name; /* "module:attribute" */
	struct fr_str root_path;
	struct fr_str last_handler; /* of what nothing else handles; empty: the framework's 500 */
	struct fr_vec middleware; /* struct fr_str: names, the outermost first */
	struct fr_vec handlers; /* struct fr_str: "status or class: function" */
	struct fr_vec routes; /* struct fr_route, in declaration order */
	struct fr_vec statics; /* struct fr_bucket of struct fr_static: whole static paths */
	struct fr_vec edges; /* struct fr_bucket of struct fr_edge: (state, segment) -> state */
	struct fr_vec
		states; /* uint32_t: offsets of struct fr_route_state, ascending; the first is the start */
	struct fr_vec sides; /* struct fr_side, in declaration order */
	struct fr_vec sockets; /* struct fr_side of WebSocket routes, in declaration order */
	struct fr_vec object_names; /* struct fr_str: what each id stands for */
	struct fr_vec steps; /* struct fr_step: those of all routes, in order, without gaps */
	uint32_t nplaces; /* placement records */
	uint32_t reserved;
};

enum fr_app_flag {
	FR_APP_REDIRECT_SLASHES = 1,
	FR_APP_WRAPPED = 2, /* user middleware: every request goes through ASGI */
	FR_APP_DEBUG = 4,
};

enum fr_method {
	FR_GET = 1 << 0,
	FR_HEAD = 1 << 1,
	FR_POST = 1 << 2,
	FR_PUT = 1 << 3,
	FR_DELETE = 1 << 4,
	FR_PATCH = 1 << 5,
	FR_OPTIONS = 1 << 6,
	FR_TRACE = 1 << 7,
	FR_CONNECT = 1 << 8,
	FR_OTHER = 1 << 9, /* any token not above: compared by name in fr_route.methods */
	FR_ANY = 1 << 10, /* the route answers every method */
	FR_WEBSOCKET = 1 << 11, /* no method: a WebSocket's handshake */
};

enum fr_route_kind {
	FR_ROUTE_PLAN = 1, /* the executor runs the plan */
	FR_ROUTE_ASGI = 2, /* route.object is an ASGI callable (scope, receive, send) */
	FR_ROUTE_WEBSOCKET = 3, /* in no table: the application's router answers those */
};

struct fr_route {
	uint32_t kind;
	uint32_t methods; /* mask of enum fr_method */
	struct fr_vec method_names; /* struct fr_str, sorted: for Allow */
	struct fr_str path; /* as declared: "/users/{user_id}" */
	struct fr_str name;
	struct fr_str endpoint; /* "module.qualname", for logs */
	struct fr_str file;
	struct fr_str why; /* it runs through ASGI; empty for a plan */
	uint32_t line;
	uint32_t object; /* ASGI callable, or the APIRoute object of a plan */
	struct fr_vec params; /* struct fr_path_param, in path order */
	struct fr_vec steps; /* struct fr_step; the last one is FR_OP_RESPOND */
	uint16_t nslots;
	uint16_t nmarks;
	uint16_t ncaches;
	uint16_t flags; /* enum fr_route_flag */
	uint32_t status; /* declared status code; 0: none declared */
	uint32_t body; /* enum fr_body */
	uint32_t max_body; /* bytes; FR_NONE32: the configuration's limit */
	uint32_t reserved;
};

enum fr_route_flag {
	FR_ROUTE_STRICT_CONTENT_TYPE = 2,
};

enum fr_body {
	FR_BODY_NONE = 0,
	FR_BODY_JSON = 1, /* bytes, or JSON if the content type says so */
	FR_BODY_FORM = 2, /* parsed by Starlette */
};

enum fr_conv {
	FR_CONV_STR = 0, /* [^/]+ */
	FR_CONV_PATH = 1, /* .* (last segment of a pattern only) */
	FR_CONV_INT = 2, /* [0-9]+ */
	FR_CONV_FLOAT = 3, /* [0-9]+(\.[0-9]+)? */
	FR_CONV_UUID = 4,
	FR_CONV_REGEX = 5, /* on the side list: value comes from the match */
};

/* Where a path parameter's text lies: segment number from 0, after the first '/'. */
struct fr_path_param {
	struct fr_str name;
	uint16_t segment;
	uint16_t conv; /* enum fr_conv */
	uint32_t reserved;
};

/* ---- plans ---- */

#define FR_MAX_STEPS 32767u /* of a route: a run counts them in 16 bits */

enum fr_op {
	FR_OP_MARK = 1, /* remember the number of errors in marks[mark] */
	FR_OP_PARAM = 2, /* one scalar or sequence parameter -> slot */
	FR_OP_PYPARAM =
		3, /* object(values, starlette mapping) -> (value, errors): parameter models, several aliases */
	FR_OP_BODY = 4, /* one body field -> slot */
	FR_OP_PYBODY = 5, /* await object(body) -> (dict, errors); dict by name into args' slots */
	FR_OP_SPECIAL = 6, /* enum fr_special -> slot */
	FR_OP_CACHED = 7, /* if caches[cache] is set: slot = it, go to jump */
	FR_OP_CALL = 8, /* a dependency; skipped if errors grew since marks[mark] */
	FR_OP_ENDPOINT = 9, /* stops with 422 if there is any error */
	FR_OP_RESPOND = 10,
};

enum fr_in { FR_IN_PATH = 1, FR_IN_QUERY = 2, FR_IN_HEADER = 3, FR_IN_COOKIE = 4, FR_IN_BODY = 5 };

/* Values that C may convert itself because the result is proven equal to Pydantic's. */
enum fr_fast { FR_FAST_NONE = 0, FR_FAST_STR = 1, FR_FAST_INT = 2 };

/* Where a `def` runs: as the configuration's `sync_handlers` says, or as its route's does. */
enum fr_step_sync {
	FR_STEP_SYNC_CONFIGURED = 0,
	FR_STEP_SYNC_AUTO = 1,
	FR_STEP_SYNC_INLINE = 2,
	FR_STEP_SYNC_THREADS = 3
};

enum fr_mode { FR_MODE_SYNC = 1, FR_MODE_ASYNC = 2, FR_MODE_GEN = 3, FR_MODE_AGEN = 4 };

enum fr_special {
	FR_SPECIAL_REQUEST = 1,
	FR_SPECIAL_CONNECTION = 2,
	FR_SPECIAL_RESPONSE = 3,
	FR_SPECIAL_BACKGROUND = 4,
	FR_SPECIAL_SCOPES = 5, /* object: list of scopes, a new SecurityScopes each time */
};

enum fr_default {
	FR_DEFAULT_REQUIRED = 0,
	FR_DEFAULT_CONST = 1,
	FR_DEFAULT_COPY = 2,
	FR_DEFAULT_CALL = 3
};

enum fr_serialize {
	FR_SERIALIZE_ENCODER =
		1, /* no response model, default class: jsonable_encoder + json.dumps, or C where equal */
	FR_SERIALIZE_FIELD_JSON =
		2, /* response model, default class: validate, then the serializer's to_json */
	FR_SERIALIZE_CLASS =
		3, /* object2(content): a response class of the route's own; content by field or encoder */
	FR_SERIALIZE_PYTHON = 4, /* await object2(run's view): streams, SSE and the like */
};

enum fr_step_flag {
	FR_STEP_SEQUENCE = 1, /* PARAM: all values as a list */
	FR_STEP_VALIDATE_DEFAULT = 2,
	FR_STEP_EMBED = 4, /* BODY: the field is body[alias] */
	FR_STEP_DIRECT_JSON =
		8, /* BODY: validate_json is proven equal to json.loads + validate_python */
	FR_STEP_USE_CACHE = 16, /* CALL */
	FR_STEP_FUNCTION_SCOPE = 32, /* CALL of a generator: exits before the response is sent */
	FR_STEP_VALIDATE_RESPONSE = 64, /* RESPOND: a response field exists */
};

/* One step; fields that an op does not use are 0 or FR_NONE*. */
struct fr_step {
	uint8_t op; /* enum fr_op */
	uint8_t in; /* enum fr_in, or enum fr_special for SPECIAL */
	uint8_t fast; /* enum fr_fast */
	uint8_t mode; /* enum fr_mode; enum fr_serialize for RESPOND */
	uint16_t flags; /* enum fr_step_flag */
	uint16_t default_mode; /* enum fr_default */
	uint16_t slot; /* destination; FR_NONE16: the value is dropped */
	uint16_t mark;
	uint16_t cache;
	uint16_t sync; /* enum fr_step_sync; CALL, ENDPOINT */
	uint32_t jump; /* step number within the route */
	uint32_t object; /* callable; validator of PARAM, BODY; RESPOND: response validator */
	uint32_t
		object2; /* default value or factory; RESPOND: response class, or function of PYTHON */
	uint32_t
		object3; /* RESPOND: the serializer; PARAM and BODY: the ModelField, for errors' sake */
	uint32_t object4; /* RESPOND: dict of keyword arguments for to_json, or none */
	uint32_t
		place; /* CALL, ENDPOINT of mode SYNC/GEN: index of this callable's placement record */
	struct fr_str name; /* Python name of the parameter; module.qualname of a callable */
	struct fr_str alias; /* key in the request; lower case for headers */
	struct fr_vec args; /* struct fr_arg: keyword arguments of CALL and ENDPOINT */
};

struct fr_arg {
	struct fr_str name;
	uint16_t slot;
	uint16_t reserved;
	uint32_t reserved2;
};

/* ---- routing ---- */

/*
 * Which routes accept one path: ordered by declaration, at most one entry per
 * method, shadowed ones left out by the builder (an entry with FR_OTHER is
 * kept: its methods are told apart by name).
 */
struct fr_accept {
	uint32_t route;
	uint32_t methods; /* mask of enum fr_method, and FR_ACCEPT_TAIL */
	uint64_t
		segments; /* bit n: segment n is a parameter, so bits are in the order of fr_route.params */
};

#define FR_ACCEPT_TAIL                                                                             \
	(1u << 31) /* the last parameter is the rest of the path, from its segment on */
#define FR_MAX_SEGMENTS 64 /* of a route with parameters */

/*
 * One bucket of a hash table: open addressing, linear probing, a power of two
 * of buckets, at least one of them empty.  Small, so that a big table stays
 * in the cache; what it points to ends with a full compare.
 */
struct fr_bucket {
	uint32_t tag; /* upper half of the hash */
	uint32_t at; /* offset of the record; 0: empty */
};

/* A path that was declared without parameters. */
struct fr_static {
	struct fr_str path;
	struct fr_vec
		accepts; /* struct fr_accept, routes with parameters that match the path included */
};

/* The way from a state on, by a segment that is spelled out somewhere. */
struct fr_edge {
	struct fr_str segment;
	uint32_t from; /* offset of the state */
	uint32_t to;
};

/*
 * What a segment that equals no literal of this state may be: the classes are
 * the possible combinations of what the convertors accept.
 */
enum fr_class {
	FR_CLASS_STR = 0, /* none of the below */
	FR_CLASS_FLOAT = 1, /* "1.5" */
	FR_CLASS_INT = 2, /* "15": int and float */
	FR_CLASS_UUID = 3,
	FR_CLASS_INT_UUID = 4, /* 32 digits */
	FR_CLASSES = 5,
};

/* Records lie beside those they lead to, rather than by kind: a lookup then touches few cache lines. */
struct fr_route_state {
	struct fr_vec accepts; /* struct fr_accept: routes that end here */
	struct fr_vec
		tails; /* struct fr_accept: routes whose last parameter is a path that starts here */
	uint32_t next[FR_CLASSES]; /* offsets of states; 0: no way on */
	uint32_t edge; /* 0: no literals; offset of the only edge; FR_NONE32: several, in edges */
};

enum fr_side_kind {
	FR_SIDE_REGEX = 1, /* object is a compiled regular expression: match(path) */
	FR_SIDE_ROUTE = 2, /* object is a Starlette route: matches(scope), handle() */
};

/* A route that a hash table can't hold; it is tried where its index could win. */
struct fr_side {
	uint32_t kind;
	uint32_t route; /* index in routes: gives its place in the order */
	uint32_t object;
	uint32_t reserved;
	struct fr_str prefix; /* literal start that every matching path has */
};

_Static_assert(sizeof(struct fr_step) % 8 == 0, "steps are 8-byte aligned");
_Static_assert(sizeof(struct fr_route) % 8 == 0, "routes are 8-byte aligned");
_Static_assert(sizeof(struct fr_route_state) % 8 == 0, "states are 8-byte aligned");
_Static_assert(sizeof(struct fr_accept) % 8 == 0, "accepts are 8-byte aligned");
_Static_assert(sizeof(struct fr_image) % 8 == 0, "the header is 8-byte aligned");

/* The bytes of a string or the first element of an array; img has been verified. */
#define FR_IMAGE_AT(img, offset) ((const void *)((const char *)(img) + (offset)))

static inline const char *fr_str_in(const struct fr_image *img, struct fr_str s)
{
	return (const char *)img + s.off;
}

#endif
