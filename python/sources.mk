# Made by contrib/update-sources; don't edit.
pkgfastrapidir = $(pythondir)/fastrapi
pkgfastrapi_PYTHON = \
	python/fastrapi/__init__.py \
	python/fastrapi/_signature.py \
	python/fastrapi/background.py \
	python/fastrapi/concurrency.py \
	python/fastrapi/datastructures.py \
	python/fastrapi/encoders.py \
	python/fastrapi/exception_handlers.py \
	python/fastrapi/exceptions.py \
	python/fastrapi/logger.py \
	python/fastrapi/param_functions.py \
	python/fastrapi/params.py \
	python/fastrapi/requests.py \
	python/fastrapi/responses.py \
	python/fastrapi/sse.py \
	python/fastrapi/staticfiles.py \
	python/fastrapi/templating.py \
	python/fastrapi/testclient.py \
	python/fastrapi/types.py \
	python/fastrapi/utils.py \
	python/fastrapi/websockets.py
pkgfastrapidatadir = $(pythondir)/fastrapi
dist_pkgfastrapidata_DATA = \
	python/fastrapi/py.typed
pkgfastrapi__compiledir = $(pythondir)/fastrapi/_compile
pkgfastrapi__compile_PYTHON = \
	python/fastrapi/_compile/aliases.py \
	python/fastrapi/_compile/annotations.py \
	python/fastrapi/_compile/bodies.py \
	python/fastrapi/_compile/dependant.py \
	python/fastrapi/_compile/fields.py
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
	python/fastrapi/openapi/models.py
pkgfastrapi_securitydir = $(pythondir)/fastrapi/security
pkgfastrapi_security_PYTHON = \
	python/fastrapi/security/__init__.py \
	python/fastrapi/security/api_key.py \
	python/fastrapi/security/base.py \
	python/fastrapi/security/http.py \
	python/fastrapi/security/oauth2.py \
	python/fastrapi/security/open_id_connect_url.py \
	python/fastrapi/security/utils.py
