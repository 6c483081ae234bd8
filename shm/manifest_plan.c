#include "shm/manifest_read.h"

#define OP(x) (1u << (x))
#define M OP(FR_OP_MARK)
#define P OP(FR_OP_PARAM)
#define Y OP(FR_OP_PYPARAM)
#define B OP(FR_OP_BODY)
#define Z OP(FR_OP_PYBODY)
#define S OP(FR_OP_SPECIAL)
#define C OP(FR_OP_CACHED)
#define L OP(FR_OP_CALL)
#define E OP(FR_OP_ENDPOINT)
#define R OP(FR_OP_RESPOND)
#define AT(member) offsetof(struct fr_manifest_step, member)

static const char *const op_names[] = { "mark",     "param",   "pyparam", "body",
	                                "pybody",   "special", "cached",  "call",
	                                "endpoint", "respond", NULL };
static const char *const in_names[] = { "path", "query", "header", "cookie", NULL };
static const char *const fast_names[] = { "none", "str", "int", NULL };
static const char *const mode_names[] = { "sync", "async", "gen", "agen", NULL };
static const char *const sync_names[] = { "configured", "auto", "inline", "threads", NULL };
static const char *const what_names[] = { "request",    "connection", "response",
	                                  "background", "scopes",     NULL };
static const char *const default_names[] = { "required", "const", "copy", "call", NULL };
static const char *const serialize_names[] = { "encoder", "field_json", "class", "python", NULL };

static int read_arg(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_arg *arg = out;
	const cJSON *name, *slot;
	uint32_t n = 0;
	int rc = fr_reader_pair(r, item, &name, &slot);

	if (rc == 0)
		rc = fr_reader_string(r, name, &arg->name);
	if (rc == 0)
		rc = fr_reader_number(r, slot, FR_MAX_REGISTERS - 1, &n);
	arg->slot = (uint16_t)n;
	return rc;
}

static int read_args(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_step *step = (struct fr_manifest_step *)((char *)out - AT(args));

	return fr_reader_list(r, item, sizeof *step->args, read_arg, &step->args, &step->nargs);
}

static const struct fr_reader_field op_field = { "op", FR_T_ENUM, 1, 1, AT(op), 1, op_names, NULL };

static const struct fr_reader_field step_fields[] = {
	{ "op", FR_T_ENUM, ~0u, ~0u, AT(op), 1, op_names, NULL },
	{ "in", FR_T_ENUM, P | Y, P | Y, AT(in), 1, in_names, NULL },
	{ "what", FR_T_ENUM, S, S, AT(in), 1, what_names, NULL },
	{ "name", FR_T_OSTR, P | Y | B | L | E, P | L | E, AT(name), 0, NULL, NULL },
	{ "alias", FR_T_OSTR, P | B, P, AT(alias), 0, NULL, NULL },
	{ "slot", FR_T_REG, P | Y | B | S | C | L | E | R, 0, AT(slot), 0, NULL, NULL },
	{ "mark", FR_T_REG, M | L, M, AT(mark), 0, NULL, NULL },
	{ "cache", FR_T_REG, C | L, C, AT(cache), 0, NULL, NULL },
	{ "jump", FR_T_U32, C, C, AT(jump), FR_MANIFEST_MAX_LIST, NULL, NULL },
	{ "sequence", FR_T_FLAG, P, 0, AT(flags), FR_STEP_SEQUENCE, NULL, NULL },
	{ "fast", FR_T_ENUM, P, 0, AT(fast), 0, fast_names, NULL },
	{ "mode", FR_T_ENUM, L | E, L | E, AT(mode), 1, mode_names, NULL },
	{ "mode", FR_T_ENUM, R, R, AT(mode), 1, serialize_names, NULL },
	{ "embed", FR_T_FLAG, B, 0, AT(flags), FR_STEP_EMBED, NULL, NULL },
	{ "direct", FR_T_FLAG, B, 0, AT(flags), FR_STEP_DIRECT_JSON, NULL, NULL },
	{ "object", FR_T_ID, P | Y | B | Z | S | L | E | R, Y | Z | L | E, AT(object), 0, NULL,
	  NULL },
	{ "default_mode", FR_T_ENUM, P | B, 0, AT(default_mode), 0, default_names, NULL },
	{ "object2", FR_T_ID, P | B | R, 0, AT(object2), 0, NULL, NULL },
	{ "validate_default", FR_T_FLAG, P | B, 0, AT(flags), FR_STEP_VALIDATE_DEFAULT, NULL,
	  NULL },
	{ "object3", FR_T_ID, P | B | R, 0, AT(object3), 0, NULL, NULL },
	{ "object4", FR_T_ID, R, 0, AT(object4), 0, NULL, NULL },
	{ "validate", FR_T_FLAG, R, 0, AT(flags), FR_STEP_VALIDATE_RESPONSE, NULL, NULL },
	{ "args", FR_T_FN, Z | L | E, 0, AT(args), 0, NULL, read_args },
	{ "use_cache", FR_T_FLAG, L, 0, AT(flags), FR_STEP_USE_CACHE, NULL, NULL },
	{ "function_scope", FR_T_FLAG, L, 0, AT(flags), FR_STEP_FUNCTION_SCOPE, NULL, NULL },
	{ "place", FR_T_PLACE, L | E, 0, AT(place), 0, NULL, NULL },
	{ "sync", FR_T_ENUM, L | E, 0, AT(sync), 0, sync_names, NULL },
};

#undef AT

int fr_reader_step(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_step *step = out;
	const cJSON *op;
	size_t before;
	int rc;

	if (!cJSON_IsObject(item))
		return fr_reader_want(r, item, "an object");
	op = cJSON_GetObjectItemCaseSensitive(item, "op");
	before = fr_reader_enter(r, "op", 0);
	if (!op)
		return fr_reader_fail(r, FR_EINVAL, "the key is missing");
	rc = fr_reader_enum(r, op, &op_field, &step->op);
	if (rc < 0)
		return rc;
	fr_reader_leave(r, before);
	step->slot = step->mark = step->cache = FR_NONE16;
	step->object = step->object2 = step->object3 = step->object4 = step->place = FR_NONE32;
	return fr_reader_object(r, item, step_fields, sizeof step_fields / sizeof *step_fields,
	                        OP(step->op), step);
}

static int check_register(struct fr_reader *r, const char *key, uint32_t reg, uint32_t count)
{
	if (reg == FR_NONE16 || reg < count)
		return 0;
	fr_reader_enter(r, key, 0);
	return fr_reader_fail(r, FR_EINVAL, "register %u is out of range: the route has %u", reg,
	                      count);
}

/* What holds between the values of one step. */
int fr_reader_check_step(struct fr_reader *r, const struct fr_manifest_route *route, uint32_t index)
{
	const struct fr_manifest_step *s = &route->steps[index];
	uint32_t op = OP(s->op);
	int rc = check_register(r, "slot", s->slot, route->nslots);

	if (rc == 0)
		rc = check_register(r, "mark", s->mark, route->nmarks);
	if (rc == 0)
		rc = check_register(r, "cache", s->cache, route->ncaches);
	for (uint32_t i = 0; rc == 0 && i < s->nargs; i++)
		if (s->args[i].slot >= route->nslots) {
			fr_reader_enter(r, "args", 0);
			fr_reader_enter(r, NULL, i);
			rc = check_register(r, "slot", s->args[i].slot, route->nslots);
		}
	if (rc == 0 && (op & (Y | Z | L | E)))
		rc = fr_reader_need(r, "object", s->object != FR_NONE32);
	if (rc == 0 && (op & (P | B)) && s->default_mode != FR_DEFAULT_REQUIRED)
		rc = fr_reader_need(r, "object2", s->object2 != FR_NONE32);
	if (rc == 0 && (op & P))
		rc = fr_reader_need(r, "alias", s->alias != NULL);
	if (rc == 0 && (op & M))
		rc = fr_reader_need(r, "mark", s->mark != FR_NONE16);
	if (rc == 0 && (op & C))
		rc = fr_reader_need(r, "cache", s->cache != FR_NONE16);
	if (rc == 0 && (op & R) &&
	    (s->mode == FR_SERIALIZE_CLASS || s->mode == FR_SERIALIZE_PYTHON))
		rc = fr_reader_need(r, "object2", s->object2 != FR_NONE32);
	if (rc == 0 && (op & R) &&
	    (s->mode == FR_SERIALIZE_FIELD_JSON || s->flags & FR_STEP_VALIDATE_RESPONSE)) {
		rc = fr_reader_need(r, "object", s->object != FR_NONE32);
		if (rc == 0)
			rc = fr_reader_need(r, "object3", s->object3 != FR_NONE32);
	}
	if (rc == 0 && (op & C) && (s->jump <= index || s->jump + 1 >= route->nsteps)) {
		fr_reader_enter(r, "jump", 0);
		rc = fr_reader_fail(r, FR_EINVAL,
		                    "must lead forward, as far as the endpoint; is %u", s->jump);
	}
	if (rc == 0 && (s->op == FR_OP_RESPOND) != (index + 1 == route->nsteps)) {
		fr_reader_enter(r, "op", 0);
		rc = fr_reader_fail(r, FR_EINVAL, "the last step, and no other, is \"respond\"");
	}
	if (rc == 0 &&
	    (route->nsteps < 2 || (s->op == FR_OP_ENDPOINT) != (index + 2 == route->nsteps))) {
		fr_reader_enter(r, "op", 0);
		rc = fr_reader_fail(r, FR_EINVAL,
		                    "the last step but one, and no other, is \"endpoint\"");
	}
	return rc;
}

#undef M
#undef P
#undef Y
#undef B
#undef Z
#undef S
#undef C
#undef L
#undef E
#undef R
