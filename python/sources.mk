# Made by contrib/update-sources; don't edit.
pkgfastrapidir = $(pythondir)/fastrapi
pkgfastrapi_PYTHON = \
	python/fastrapi/__init__.py \
	python/fastrapi/_alias.py \
	python/fastrapi/_contexts.py \
	python/fastrapi/_docs_assets.py \
	python/fastrapi/_encoding.py \
	python/fastrapi/_frontend.py \
	python/fastrapi/_include.py \
	python/fastrapi/_lazy.py \
	python/fastrapi/_lifespan.py \
	python/fastrapi/_limits.py \
	python/fastrapi/_list.py \
	python/fastrapi/_operation.py \
	python/fastrapi/_outline.py \
	python/fastrapi/_route.py \
	python/fastrapi/_signature.py \
	python/fastrapi/applications.py \
	python/fastrapi/background.py \
	python/fastrapi/concurrency.py \
	python/fastrapi/datastructures.py \
	python/fastrapi/encoders.py \
	python/fastrapi/exception_handlers.py \
	python/fastrapi/exceptions.py \
	python/fastrapi/logger.py \
	python/fastrapi/param_functions.py \
	python/fastrapi/params.py \
	python/fastrapi/pytest_plugin.py \
	python/fastrapi/requests.py \
	python/fastrapi/responses.py \
	python/fastrapi/routing.py \
	python/fastrapi/sse.py \
	python/fastrapi/staticfiles.py \
	python/fastrapi/templating.py \
	python/fastrapi/testclient.py \
	python/fastrapi/types.py \
	python/fastrapi/utils.py \
	python/fastrapi/websockets.py
pkgfastrapidatadir = $(pythondir)/fastrapi
dist_pkgfastrapidata_DATA = \
	python/fastrapi/_fastrapid.pyi \
	python/fastrapi/py.typed
pkgfastrapi__compiledir = $(pythondir)/fastrapi/_compile
pkgfastrapi__compile_PYTHON = \
	python/fastrapi/_compile/__init__.py \
	python/fastrapi/_compile/aliases.py \
	python/fastrapi/_compile/annotations.py \
	python/fastrapi/_compile/bodies.py \
	python/fastrapi/_compile/checks.py \
	python/fastrapi/_compile/dependant.py \
	python/fastrapi/_compile/diagnostics.py \
	python/fastrapi/_compile/direct.py \
	python/fastrapi/_compile/fields.py \
	python/fastrapi/_compile/form_schema.py \
	python/fastrapi/_compile/manifest.py \
	python/fastrapi/_compile/order.py \
	python/fastrapi/_compile/patterns.py \
	python/fastrapi/_compile/plan.py \
	python/fastrapi/_compile/serializing.py \
	python/fastrapi/_compile/shadows.py \
	python/fastrapi/_compile/structs.py
pkgfastrapi__runtimedir = $(pythondir)/fastrapi/_runtime
pkgfastrapi__runtime_PYTHON = \
	python/fastrapi/_runtime/__init__.py \
	python/fastrapi/_runtime/answers.py \
	python/fastrapi/_runtime/asgi.py \
	python/fastrapi/_runtime/bodies.py \
	python/fastrapi/_runtime/calls.py \
	python/fastrapi/_runtime/errors.py \
	python/fastrapi/_runtime/fields.py \
	python/fastrapi/_runtime/files.py \
	python/fastrapi/_runtime/forms.py \
	python/fastrapi/_runtime/hooks.py \
	python/fastrapi/_runtime/limits.py \
	python/fastrapi/_runtime/params.py \
	python/fastrapi/_runtime/serve.py \
	python/fastrapi/_runtime/solve.py \
	python/fastrapi/_runtime/streams.py \
	python/fastrapi/_runtime/traced.py
pkgfastrapi_dependenciesdir = $(pythondir)/fastrapi/dependencies
pkgfastrapi_dependencies_PYTHON = \
	python/fastrapi/dependencies/__init__.py \
	python/fastrapi/dependencies/models.py \
	python/fastrapi/dependencies/utils.py
pkgfastrapi_middlewaredir = $(pythondir)/fastrapi/middleware
pkgfastrapi_middleware_PYTHON = \
	python/fastrapi/middleware/__init__.py \
	python/fastrapi/middleware/asyncexitstack.py \
	python/fastrapi/middleware/cors.py \
	python/fastrapi/middleware/gzip.py \
	python/fastrapi/middleware/httpsredirect.py \
	python/fastrapi/middleware/trustedhost.py \
	python/fastrapi/middleware/wsgi.py
pkgfastrapi_openapidir = $(pythondir)/fastrapi/openapi
pkgfastrapi_openapi_PYTHON = \
	python/fastrapi/openapi/__init__.py \
	python/fastrapi/openapi/constants.py \
	python/fastrapi/openapi/docs.py \
	python/fastrapi/openapi/models.py \
	python/fastrapi/openapi/operations.py \
	python/fastrapi/openapi/schemas.py \
	python/fastrapi/openapi/utils.py
pkgfastrapi_securitydir = $(pythondir)/fastrapi/security
pkgfastrapi_security_PYTHON = \
	python/fastrapi/security/__init__.py \
	python/fastrapi/security/api_key.py \
	python/fastrapi/security/base.py \
	python/fastrapi/security/http.py \
	python/fastrapi/security/oauth2.py \
	python/fastrapi/security/open_id_connect_url.py \
	python/fastrapi/security/utils.py
pkgfastrapi_telemetrydir = $(pythondir)/fastrapi/telemetry
pkgfastrapi_telemetry_PYTHON = \
	python/fastrapi/telemetry/__init__.py \
	python/fastrapi/telemetry/_data.py \
	python/fastrapi/telemetry/_export.py \
	python/fastrapi/telemetry/_requests.py
