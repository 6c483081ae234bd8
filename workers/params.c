/*
 * Path, query, header and cookie parameters, taken from the request's bytes.
 */
#include "workers/exec.h"

#include <string.h>

/* ---- errors ---- */

int fr_errors_extend(struct fr_run *run, PyObject *list)
{
	if (!run->errors) {
		run->errors = PyList_New(0);
		if (!run->errors)
			return -1;
	}
	PyObject *items = PySequence_List(list);
	if (!items)
		return -1;
	Py_ssize_t end = PyList_GET_SIZE(run->errors);
	int rc = PyList_SetSlice(run->errors, end, end, items);
	Py_DECREF(items);
	run->nerrors = (uint32_t)PyList_GET_SIZE(run->errors);
	return rc;
}

int fr_errors_add(struct fr_run *run, PyObject *error)
{
	if (!error)
		return -1;
	PyObject *list = PyList_New(1);
	if (!list) {
		Py_DECREF(error);
		return -1;
	}
	PyList_SET_ITEM(list, 0, error);
	int rc = fr_errors_extend(run, list);
	Py_DECREF(list);
	return rc;
}

int fr_errors_missing(struct fr_run *run, PyObject *loc)
{
	PyObject *fn = FR_GET(run->program->state, missing_error);
	return fn ? fr_errors_add(run, PyObject_CallOneArg(fn, loc)) : -1;
}

int fr_errors_take(struct fr_run *run, PyObject *loc)
{
	PyObject *exc = fr_exc_take();
	PyObject *type = FR_GET(run->program->state, validation_error);
	if (type && !PyErr_GivenExceptionMatches(exc, type)) {
		fr_exc_set(exc);
		return -1;
	}
	PyObject *fn = type ? FR_GET(run->program->state, validation_errors) : NULL;
	PyObject *list = fn ? PyObject_CallFunctionObjArgs(fn, exc, loc, NULL) : NULL;
	Py_DECREF(exc);
	int rc = list ? fr_errors_extend(run, list) : -1;
	Py_XDECREF(list);
	return rc;
}

/* ---- values ---- */

static void put_slot(struct fr_run *run, const struct fr_step *step, PyObject *value)
{
	if (step->slot == FR_NONE16)
		Py_DECREF(value);
	else
		fr_set(&run->slots[step->slot], value);
}

int fr_step_validate(struct fr_run *run, const struct fr_step *step, struct fr_bound *b,
                     PyObject *value)
{
	if (!b->validate) {
		put_slot(run, step, value);
		return 0;
	}
	PyObject *args[3] = { NULL, value, Py_True };
	PyObject *made =
		PyObject_Vectorcall(b->validate, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
	                            run->program->state->kw_from_attributes);
	Py_DECREF(value);
	if (!made)
		return fr_errors_take(run, b->loc);
	put_slot(run, step, made);
	return 0;
}

int fr_step_default(struct fr_run *run, const struct fr_step *step, struct fr_bound *b)
{
	PyObject *from = fr_program_object(run->program, step->object2), *value = NULL;
	if (!from)
		from = Py_None;
	switch (step->default_mode) {
	case FR_DEFAULT_REQUIRED:
		return fr_errors_missing(run, b->loc);
	case FR_DEFAULT_CONST:
		value = Py_NewRef(from);
		break;
	case FR_DEFAULT_COPY: {
		PyObject *copy = FR_GET(run->program->state, deepcopy);
		value = copy ? PyObject_CallOneArg(copy, from) : NULL;
		break;
	}
	default:
		value = PyObject_CallNoArgs(from);
	}
	if (!value)
		return -1;
	if (step->flags & FR_STEP_VALIDATE_DEFAULT)
		return fr_step_validate(run, step, b, value);
	put_slot(run, step, value);
	return 0;
}

/* An int as -?[1-9][0-9]{0,17} or 0: what Pydantic and int() read alike. */
static bool plain_int(struct fr_span s, long long *ret)
{
	size_t i = s.len && s.p[0] == '-';
	if (s.len == i || s.len - i > 18)
		return false;
	if (s.p[i] == '0' && (i || s.len > 1))
		return false;
	long long n = 0;
	for (size_t at = i; at < s.len; at++) {
		if (s.p[at] < '0' || s.p[at] > '9')
			return false;
		n = n * 10 + (s.p[at] - '0');
	}
	*ret = i ? -n : n;
	return true;
}

/* ---- query ---- */

static int parse_query(struct fr_run *run)
{
	struct fr_span q = run->in->query;
	const char *end = q.p + q.len;
	size_t n = 1;
	run->pairs_ready = true;
	for (const char *p = q.p; p < end; p++) {
		n += *p == '&';
		if ((unsigned char)*p >= 0x80)
			run->query_in_python = true;
	}
	if (run->query_in_python) {
		PyObject *type = FR_GET(run->program->state, query_params);
		PyObject *bytes = type ? PyBytes_FromStringAndSize(q.p, (Py_ssize_t)q.len) : NULL;
		run->query = bytes ? PyObject_CallOneArg(type, bytes) : NULL;
		Py_XDECREF(bytes);
		return run->query ? 0 : -1;
	}
	run->pairs = run->pairs_inline;
	if (n > FR_RUN_PAIRS) {
		run->pairs = PyMem_Calloc(n, sizeof(*run->pairs));
		if (!run->pairs) {
			PyErr_NoMemory();
			return -1;
		}
	}
	for (const char *p = q.p; p < end;) {
		const char *stop = memchr(p, '&', (size_t)(end - p));
		if (!stop)
			stop = end;
		if (stop > p) {
			const char *eq = memchr(p, '=', (size_t)(stop - p));
			struct fr_pair *pair = &run->pairs[run->npairs++];
			pair->key = (struct fr_span){ p, (size_t)((eq ? eq : stop) - p) };
			pair->value = eq ? (struct fr_span){ eq + 1, (size_t)(stop - eq - 1) }
			                 : (struct fr_span){ stop, 0 };
		}
		p = stop + 1;
	}
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool plain(struct fr_span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == '%' || s.p[i] == '+')
			return false;
	return true;
}

/* As unquote_plus(): '+' is a space, %XX a byte of UTF-8. */
static PyObject *unquote(struct fr_span s)
{
	if (plain(s))
		return fr_text(s.p, s.len);
	char stack[512];
	char *to = s.len > sizeof(stack) ? PyMem_Malloc(s.len) : stack;
	if (!to)
		return PyErr_NoMemory();
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		int hi = -1, lo = -1;
		if (s.p[i] == '%' && i + 2 < s.len) {
			hi = hex(s.p[i + 1]);
			lo = hex(s.p[i + 2]);
		}
		if (hi >= 0 && lo >= 0) {
			to[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			to[n++] = s.p[i] == '+' ? ' ' : s.p[i];
		}
	}
	PyObject *text = fr_text(to, n);
	if (to != stack)
		PyMem_Free(to);
	return text;
}

/* Whether a key, decoded, is alias: 1, 0, or -1 and an exception. */
static int key_is(struct fr_span key, struct fr_span alias, PyObject *text)
{
	if (plain(key))
		return key.len == alias.len && memcmp(key.p, alias.p, key.len) == 0;
	PyObject *decoded = unquote(key);
	if (!decoded)
		return -1;
	int same = PyUnicode_Compare(decoded, text) == 0;
	Py_DECREF(decoded);
	return same;
}

/* The last pair of that key, as received; 1, 0 or -1. */
static int query_last(struct fr_run *run, struct fr_span alias, PyObject *text, struct fr_span *ret)
{
	for (uint32_t i = run->npairs; i-- > 0;) {
		int same = key_is(run->pairs[i].key, alias, text);
		if (same < 0)
			return -1;
		if (same) {
			*ret = run->pairs[i].value;
			return 1;
		}
	}
	return 0;
}

static PyObject *query_all(struct fr_run *run, struct fr_span alias, PyObject *text)
{
	PyObject *list = PyList_New(0);
	for (uint32_t i = 0; list && i < run->npairs; i++) {
		int same = key_is(run->pairs[i].key, alias, text);
		if (same == 0)
			continue;
		PyObject *value = same > 0 ? unquote(run->pairs[i].value) : NULL;
		if (!value || PyList_Append(list, value) < 0)
			Py_CLEAR(list);
		Py_XDECREF(value);
	}
	return list;
}

/* ---- headers and cookies ---- */

const struct fr_header *fr_run_header(const struct fr_run *run, const char *name, size_t len)
{
	const struct fr_input *in = run->in;
	for (size_t i = 0; i < in->nheaders; i++)
		if (in->headers[i].name.len == len && memcmp(in->headers[i].name.p, name, len) == 0)
			return &in->headers[i];
	return NULL;
}

static PyObject *latin1(struct fr_span s)
{
	return PyUnicode_DecodeLatin1(s.p, (Py_ssize_t)s.len, NULL);
}

static PyObject *header_all(struct fr_run *run, struct fr_span name)
{
	const struct fr_input *in = run->in;
	PyObject *list = PyList_New(0);
	for (size_t i = 0; list && i < in->nheaders; i++) {
		if (in->headers[i].name.len != name.len ||
		    memcmp(in->headers[i].name.p, name.p, name.len) != 0)
			continue;
		PyObject *value = latin1(in->headers[i].value);
		if (!value || PyList_Append(list, value) < 0)
			Py_CLEAR(list);
		Py_XDECREF(value);
	}
	return list;
}

/* One Cookie header without quotes or odd bytes: name=value; name=value. */
static int cookies_plain(PyObject *cookies, struct fr_span s)
{
	const char *p = s.p, *end = s.p + s.len;
	while (p <= end) {
		const char *stop = memchr(p, ';', (size_t)(end - p));
		if (!stop)
			stop = end;
		const char *eq = memchr(p, '=', (size_t)(stop - p));
		struct fr_span key = { p, eq ? (size_t)(eq - p) : 0 };
		struct fr_span value = { eq ? eq + 1 : p, (size_t)(stop - (eq ? eq + 1 : p)) };
		struct fr_span *both[2] = { &key, &value };
		for (int i = 0; i < 2; i++) {
			while (both[i]->len && *both[i]->p == ' ')
				both[i]->p++, both[i]->len--;
			while (both[i]->len && both[i]->p[both[i]->len - 1] == ' ')
				both[i]->len--;
		}
		if (key.len || value.len) {
			PyObject *k = latin1(key), *v = latin1(value);
			int rc = k && v ? PyDict_SetItem(cookies, k, v) : -1;
			Py_XDECREF(k);
			Py_XDECREF(v);
			if (rc < 0)
				return -1;
		}
		p = stop + 1;
	}
	return 0;
}

static int cookies_from(struct fr_run *run, PyObject *cookies, struct fr_span s)
{
	bool odd = false;
	for (size_t i = 0; i < s.len; i++)
		odd |= (unsigned char)s.p[i] >= 0x7f || (unsigned char)s.p[i] < 0x20 ||
		       s.p[i] == '"';
	if (!odd)
		return cookies_plain(cookies, s);
	PyObject *parse = FR_GET(run->program->state, cookie_parser);
	PyObject *text = parse ? latin1(s) : NULL;
	PyObject *dict = text ? PyObject_CallOneArg(parse, text) : NULL;
	int rc = dict ? PyDict_Update(cookies, dict) : -1;
	Py_XDECREF(text);
	Py_XDECREF(dict);
	return rc;
}

static PyObject *run_cookies(struct fr_run *run)
{
	if (run->cookies)
		return run->cookies;
	PyObject *cookies = PyDict_New();
	for (size_t i = 0; cookies && i < run->in->nheaders; i++) {
		const struct fr_header *h = &run->in->headers[i];
		if (h->name.len == 6 && memcmp(h->name.p, "cookie", 6) == 0 &&
		    cookies_from(run, cookies, h->value) < 0)
			Py_CLEAR(cookies);
	}
	return run->cookies = cookies;
}

/* ---- one parameter ---- */

/* The span of a path parameter that is text by its convertor. */
static bool path_span(struct fr_run *run, struct fr_span alias, struct fr_span *ret, uint16_t *conv)
{
	const struct fr_image *image = run->program->image;
	const struct fr_path_param *param = FR_IMAGE_AT(image, run->route->params.off);
	if (run->found.side != FR_NONE32)
		return false;
	for (uint32_t i = 0; i < run->route->params.count && i < run->found.nparams; i++) {
		if (param[i].name.len != alias.len ||
		    memcmp(fr_str_in(image, param[i].name), alias.p, alias.len) != 0)
			continue;
		*ret = run->found.params[i];
		*conv = param[i].conv;
		return true;
	}
	return false;
}

/* Of a mapping: what get(alias) gives, absent for None. */
static PyObject *dict_value(PyObject *dict, PyObject *alias)
{
	PyObject *value = PyDict_GetItemWithError(dict, alias);
	return value && value != Py_None ? Py_NewRef(value) : NULL;
}

static PyObject *absent_if_empty(PyObject *list)
{
	if (list && PyList_Check(list) && PyList_GET_SIZE(list) == 0)
		Py_CLEAR(list);
	return list;
}

static PyObject *from_span(const struct fr_step *step, struct fr_span s, bool header,
                           bool *ret_done)
{
	long long n;
	if (step->fast == FR_FAST_INT && plain_int(s, &n)) {
		*ret_done = true;
		return PyLong_FromLongLong(n);
	}
	*ret_done = step->fast == FR_FAST_STR;
	return header ? latin1(s) : fr_text(s.p, s.len);
}

static PyObject *query_raw(struct fr_run *run, const struct fr_step *step, struct fr_bound *b,
                           struct fr_span alias, bool *ret_done)
{
	struct fr_names *names = &run->program->state->names;
	bool all = step->flags & FR_STEP_SEQUENCE;
	struct fr_span s;
	if (!run->pairs_ready && parse_query(run) < 0)
		return NULL;
	if (run->query_in_python) {
		PyObject *value = PyObject_CallMethodOneArg(
			run->query, all ? names->getlist : names->get, b->alias);
		if (value == Py_None)
			Py_CLEAR(value);
		return absent_if_empty(value);
	}
	if (all)
		return absent_if_empty(query_all(run, alias, b->alias));
	if (query_last(run, alias, b->alias, &s) <= 0)
		return NULL;
	if (plain(s))
		return from_span(step, s, false, ret_done);
	*ret_done = step->fast == FR_FAST_STR;
	return unquote(s);
}

/* done: the value needs no validator.  NULL: absent, or an exception. */
static PyObject *take(struct fr_run *run, const struct fr_step *step, struct fr_bound *b,
                      bool *ret_done)
{
	struct fr_span alias = { fr_str_in(run->program->image, step->alias), step->alias.len }, s;
	bool all = step->flags & FR_STEP_SEQUENCE;
	uint16_t conv;
	*ret_done = false;
	switch (step->in) {
	case FR_IN_PATH: {
		if (path_span(run, alias, &s, &conv)) {
			if (conv == FR_CONV_STR || conv == FR_CONV_PATH)
				return from_span(step, s, false, ret_done);
			if (conv == FR_CONV_INT && step->fast == FR_FAST_INT) {
				PyObject *value = from_span(step, s, false, ret_done);
				if (*ret_done || !value)
					return value;
				Py_DECREF(value);
			}
		}
		PyObject *params = fr_run_path_params(run);
		return params ? dict_value(params, b->alias) : NULL;
	}
	case FR_IN_QUERY:
		return query_raw(run, step, b, alias, ret_done);
	case FR_IN_HEADER: {
		if (all)
			return absent_if_empty(header_all(run, alias));
		const struct fr_header *h = fr_run_header(run, alias.p, alias.len);
		return h ? from_span(step, h->value, true, ret_done) : NULL;
	}
	default: {
		PyObject *cookies = run_cookies(run);
		PyObject *value = cookies ? dict_value(cookies, b->alias) : NULL;
		*ret_done = value && step->fast == FR_FAST_STR;
		return value;
	}
	}
}

int fr_step_param(struct fr_run *run, const struct fr_step *step)
{
	struct fr_bound *b = fr_program_bound(run->program, step);
	bool done;
	PyObject *value = take(run, step, b, &done);
	if (!value)
		return PyErr_Occurred() ? -1 : fr_step_default(run, step, b);
	if (!done)
		return fr_step_validate(run, step, b, value);
	put_slot(run, step, value);
	return 0;
}

/* What Starlette calls the values of that place: borrowed. */
static PyObject *mapping(struct fr_run *run, int in)
{
	struct fr_state *state = run->program->state;
	if (in == FR_IN_PATH)
		return fr_run_path_params(run);
	if (in == FR_IN_COOKIE)
		return run_cookies(run);
	if (in == FR_IN_QUERY) {
		if (!run->query) {
			PyObject *type = FR_GET(state, query_params);
			PyObject *bytes =
				type ? PyBytes_FromStringAndSize(run->in->query.p,
			                                         (Py_ssize_t)run->in->query.len)
				     : NULL;
			run->query = bytes ? PyObject_CallOneArg(type, bytes) : NULL;
			Py_XDECREF(bytes);
		}
		return run->query;
	}
	if (!run->headers) {
		PyObject *type = FR_GET(state, headers_type);
		PyObject *raw = type ? PyList_New((Py_ssize_t)run->in->nheaders) : NULL;
		for (size_t i = 0; raw && i < run->in->nheaders; i++) {
			const struct fr_header *h = &run->in->headers[i];
			PyObject *pair = Py_BuildValue("(y#y#)", h->name.p, (Py_ssize_t)h->name.len,
			                               h->value.p, (Py_ssize_t)h->value.len);
			if (pair)
				PyList_SET_ITEM(raw, (Py_ssize_t)i, pair);
			else
				Py_CLEAR(raw);
		}
		if (raw) {
			PyObject *args[3] = { NULL, Py_None, raw };
			PyObject *kw = Py_BuildValue("(s)", "raw");
			run->headers = kw ? PyObject_Vectorcall(type, args + 1, 1, kw) : NULL;
			Py_XDECREF(kw);
			Py_DECREF(raw);
		}
	}
	return run->headers;
}

int fr_step_pyparam(struct fr_run *run, const struct fr_step *step)
{
	PyObject *map = mapping(run, step->in);
	if (!map)
		return -1;
	PyObject *values = PyDict_New();
	PyObject *made =
		values ? PyObject_CallFunctionObjArgs(fr_program_object(run->program, step->object),
	                                              values, map, NULL)
		       : NULL;
	Py_XDECREF(values);
	int rc = -1;
	if (!made)
		return -1;
	if (!PyTuple_Check(made) || PyTuple_GET_SIZE(made) != 2) {
		PyErr_SetString(PyExc_TypeError,
		                "a parameter's function must give a value and errors");
		goto out;
	}
	PyObject *errors = PyTuple_GET_ITEM(made, 1);
	int any = errors == Py_None ? 0 : PyObject_IsTrue(errors);
	if (any < 0)
		goto out;
	if (any) {
		rc = fr_errors_extend(run, errors);
		goto out;
	}
	put_slot(run, step, Py_NewRef(PyTuple_GET_ITEM(made, 0)));
	rc = 0;
out:
	Py_DECREF(made);
	return rc;
}
