/*
 * What one copy of the module `_fastrapid` knows: its types, the names it
 * uses, and the Python objects it calls.
 *
 * Lives in the module's state; every type finds it through its module, every
 * program keeps a pointer.  Imports are made at first use, so that the module
 * can be initialised before the package is complete.  Needs the GIL.
 */
#ifndef FR_WORKERS_STATE_H
#define FR_WORKERS_STATE_H

#include "workers/python.h"

/* Interned strings: field of struct fr_names. */
/* clang-format off */
#define FR_NAMES(X) \
	X(app) X(background) X(body) X(body_iterator) X(close) X(debug) X(_fallback) X(fastapi) \
	X(_traced) X(_traced_asgi) X(effective_route_context) X(dependency_overrides) X(doc) \
	X(endpoint) X(from_attributes) X(handle) X(headers) X(limiter) X(loads) X(matches) \
	X(more_body) X(method) X(middleware_stack) X(match) X(original_route) X(path) \
	X(path_params) X(param_convertors) X(raw_headers) X(root_path) X(route) X(router) \
	X(scope) X(send) X(shield) X(status) X(status_code) X(throw) X(to_json) X(to_python) \
	X(type) X(validate_json) X(validate_python) X(value) X(user_middleware) X(_body) \
	X(_json) X(_manifest) X(_program) X(_overridden) X(_routes_version) X(_lifespan_asgi) \
	X(_python_asgi) X(__aexit__) X(__call__) X(__enter__) X(__exit__) X(getlist) X(get) \
	X(groupdict) X(convert) X(injected) X(stack) X(athrow) X(aclose) X(query_string) \
	X(build_middleware_stack) X(url)
/* clang-format on */

struct fr_names {
#define X(n) PyObject *n;
	FR_NAMES(X)
#undef X
};

/* Objects that are looked up once: field, module, attribute path. */
/* clang-format off */
#define FR_IMPORTS(X) \
	X(response_type, "starlette.responses", "Response") \
	X(response_call, "starlette.responses", "Response.__call__") \
	X(request_type, "starlette.requests", "Request") \
	X(query_params, "starlette.datastructures", "QueryParams") \
	X(headers_type, "starlette.datastructures", "Headers") \
	X(client_disconnect, "starlette.requests", "ClientDisconnect") \
	X(http_exception, "starlette.exceptions", "HTTPException") \
	X(match_full, "starlette.routing", "Match.FULL") \
	X(match_none, "starlette.routing", "Match.NONE") \
	X(cookie_parser, "starlette.requests", "cookie_parser") \
	X(background_tasks, "fastrapi.background", "BackgroundTasks") \
	X(security_scopes, "fastrapi.security", "SecurityScopes") \
	X(fastapi_error, "fastrapi.exceptions", "FastAPIError") \
	X(validation_error, "pydantic_core", "ValidationError") \
	X(json_module, "json", "") \
	X(checkpoint, "anyio.lowlevel", "checkpoint_if_cancelled") \
	X(deepcopy, "copy", "deepcopy") \
	X(run_sync, "anyio.to_thread", "run_sync") \
	X(capacity_limiter, "anyio", "CapacityLimiter") \
	X(cancel_scope, "anyio", "CancelScope") \
	X(get_running_loop, "asyncio.events", "_get_running_loop") \
	X(set_running_loop, "asyncio.events", "_set_running_loop") \
	X(current_task, "asyncio.tasks", "current_task") \
	X(cancelled_error, "asyncio.exceptions", "CancelledError") \
	X(redirect_response, "starlette.responses", "RedirectResponse") \
	X(url_type, "starlette.datastructures", "URL") \
	X(json_response, "starlette.responses", "JSONResponse") \
	X(exit_stack, "contextlib", "AsyncExitStack") \
	X(format_exception, "traceback", "format_exception") \
	X(undefined, "pydantic_core", "PydanticUndefined") \
	X(jsonable_encoder, "fastrapi.encoders", "jsonable_encoder") \
	X(missing_error, "fastrapi._runtime.errors", "missing_error") \
	X(validation_errors, "fastrapi._runtime.errors", "validation_errors") \
	X(json_decode_error, "fastrapi._runtime.errors", "json_decode_error") \
	X(json_error_type, "json", "JSONDecodeError") \
	X(body_parse_error, "fastrapi._runtime.errors", "body_parse_error") \
	X(request_error, "fastrapi._runtime.errors", "request_validation_error") \
	X(response_error, "fastrapi._runtime.errors", "response_validation_error") \
	X(find_handler, "fastrapi._runtime.errors", "find_handler") \
	X(handle_exception, "fastrapi._runtime.errors", "handle_exception") \
	X(server_error_response, "fastrapi._runtime.errors", "server_error_response") \
	X(limit_body, "fastrapi._runtime.limits", "limit_body") \
	X(parse_form, "fastrapi._runtime.forms", "parse_form")
/* clang-format on */

enum fr_import {
#define X(field, module, attr) FR_I_##field,
	FR_IMPORTS(X)
#undef X
		FR_NIMPORTS
};

/* Where `def` callables run. */
enum fr_placement { FR_PLACE_AUTO = 0, FR_PLACE_INLINE = 1, FR_PLACE_THREADS = 2 };

/* One of OpenTelemetry's global providers: where it is kept; providers.c's. */
#define FR_NPROVIDERS 3

struct fr_provider {
	PyObject *module, *variable; /* NULL until first used */
};

struct fr_state {
	struct fr_names names;
	PyObject *imports[FR_NIMPORTS]; /* NULL until first used */
	PyTypeObject *run_type;
	PyTypeObject *thunk_type;
	PyTypeObject *program_type;
	PyTypeObject *method_type;
	PyTypeObject *router_type;
	PyTypeObject *sender_type;
	PyObject *kw_from_attributes; /* ("from_attributes",) */
	PyObject *json_type; /* b"application/json" */
	PyObject *empty; /* b"" */
	PyObject *msg_start, *msg_body; /* "http.response.start", "http.response.body" */
	PyObject *b_content_length, *b_content_type;
	PyObject *telemetry_key; /* "fastapi.telemetry", in a scope */
	struct fr_provider providers[FR_NPROVIDERS];
	uint64_t plans; /* begun since the module was loaded */
	enum fr_placement placement; /* of programs made from now on */
};

/* The object of that import: borrowed, or NULL and an exception. */
PyObject *fr_state_import(struct fr_state *state, enum fr_import which);

#define FR_GET(state, field)                                                                       \
	((state)->imports[FR_I_##field] ? (state)->imports[FR_I_##field]                           \
	                                : fr_state_import((state), FR_I_##field))

int fr_state_init(struct fr_state *state);
int fr_state_traverse(struct fr_state *state, visitproc visit, void *arg);
void fr_state_clear(struct fr_state *state);

#endif
