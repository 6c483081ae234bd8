"""The application."""

import os
import sys
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send
from typing_extensions import deprecated

from . import _fastrapid, routing
from ._compile import compile_app, manifest_bytes
from ._compile.order import has_own_way
from ._docs_assets import FAVICON, REDOC_JS, SCALAR_JS, SWAGGER_CSS, SWAGGER_JS, asset_endpoints
from ._encoding import JSONEncoder
from ._frontend import wants_check
from ._limits import FormLimits
from ._operation import (
    APP_ADD_ROUTE_NAMES,
    APP_API_ROUTE_NAMES,
    INCLUDE,
    OPERATION,
    VERB_NAMES,
    IncludeOptions,
    OperationOptions,
    Verbs,
    add_verbs,
)
from ._runtime.limits import BodyLimit
from ._runtime.traced import FailureNotes, instrumented
from ._signature import spelled
from .datastructures import Default
from .exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
    websocket_request_validation_exception_handler,
)
from .exceptions import (
    FastAPIDeprecationWarning,
    RequestValidationError,
    WebSocketRequestValidationError,
)
from .params import Depends
from .types import DecoratedCallable
from .utils import generate_unique_id

if TYPE_CHECKING:
    from .telemetry import TelemetryConfig

AppType = TypeVar("AppType", bound="FastrAPI")


class FastrAPI(Starlette, Verbs):
    """
    An application.

    ```python
    from fastrapi import FastrAPI

    app = FastrAPI()


    @app.get("/")
    def home() -> dict[str, str]:
        return {"hello": "world"}
    ```

    The options are FastAPI's. Those about the documentation (`title`,
    `openapi_url`, `docs_url` and so on) describe the application;
    `dependencies`, `default_response_class`, `responses` apply to all
    endpoints, as does `json_encoder` ("orjson", "msgspec", "stdlib" or a
    callable from plain data to bytes); `lifespan` is an async context manager around the time that the
    application serves.

    `scalar_url` is where Scalar's page is, if anywhere.
    `docs_assets` names a folder with the scripts and styles of the pages: then
    they are served from there, and browsers need no other server for them.
    """

    def __init__(
        self: AppType,
        *,
        telemetry: Any | None = None,
        debug: bool = False,
        routes: list[BaseRoute] | None = None,
        title: str = "FastAPI",
        summary: str | None = None,
        description: str = "",
        version: str = "0.1.0",
        openapi_url: str | None = "/openapi.json",
        openapi_tags: list[dict[str, Any]] | None = None,
        servers: list[dict[str, str | Any]] | None = None,
        dependencies: Sequence[Depends] | None = None,
        default_response_class: type[Response] = Default(JSONResponse),
        redirect_slashes: bool = True,
        docs_url: str | None = "/docs",
        redoc_url: str | None = "/redoc",
        swagger_ui_oauth2_redirect_url: str | None = "/docs/oauth2-redirect",
        swagger_ui_init_oauth: dict[str, Any] | None = None,
        middleware: Sequence[Middleware] | None = None,
        exception_handlers: dict[
            int | type[Exception],
            Callable[[Request, Any], Coroutine[Any, Any, Response]],
        ]
        | None = None,
        on_startup: Sequence[Callable[[], Any]] | None = None,
        on_shutdown: Sequence[Callable[[], Any]] | None = None,
        lifespan: Lifespan[AppType] | None = None,
        terms_of_service: str | None = None,
        contact: dict[str, str | Any] | None = None,
        license_info: dict[str, str | Any] | None = None,
        root_path: str = "",
        root_path_in_servers: bool = True,
        responses: dict[int | str, dict[str, Any]] | None = None,
        callbacks: list[BaseRoute] | None = None,
        webhooks: routing.APIRouter | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        swagger_ui_parameters: dict[str, Any] | None = None,
        generate_unique_id_function: Callable[[routing.APIRoute], str] = Default(generate_unique_id),
        separate_input_output_schemas: bool = True,
        openapi_external_docs: dict[str, Any] | None = None,
        strict_content_type: bool = True,
        max_body_size: int | None = None,
        form_limits: FormLimits | None = None,
        json_encoder: JSONEncoder | None = None,
        scalar_url: str | None = None,
        docs_assets: str | os.PathLike[str] | None = None,
    ) -> None:
        self.debug = debug
        self.max_body_size = max_body_size
        self.telemetry = telemetry
        self.middleware_stack: ASGIApp | None = None
        # What is around every request then. The executor reads _traced: requests
        # go through _python_asgi.
        self._telemetry: Any = None
        self._traced = False
        if telemetry is not None or os.environ.get("FASTAPI_OTEL_AUTO_CONFIGURE", "").lower() == "true":
            self._trace(telemetry)
        self.title = title
        self.summary = summary
        self.description = description
        self.version = version
        self.terms_of_service = terms_of_service
        self.contact = contact
        self.license_info = license_info
        self.openapi_url = openapi_url
        self.openapi_tags = openapi_tags
        self.openapi_external_docs = openapi_external_docs
        self.openapi_version = "3.1.0"
        self.openapi_schema: dict[str, Any] | None = None
        self._openapi_routes_version: int | None = None
        self.separate_input_output_schemas = separate_input_output_schemas
        self.docs_url = docs_url
        self.redoc_url = redoc_url
        self.scalar_url = scalar_url
        self.docs_assets = docs_assets
        self._docs_assets_url: str | None = None
        self.swagger_ui_oauth2_redirect_url = swagger_ui_oauth2_redirect_url
        self.swagger_ui_init_oauth = swagger_ui_init_oauth
        self.swagger_ui_parameters = swagger_ui_parameters
        self.servers = servers or []
        self.root_path_in_servers = root_path_in_servers
        if openapi_url:
            assert title, "A title must be provided for OpenAPI, e.g.: 'My API'"
            assert version, "A version must be provided for OpenAPI, e.g.: '2.1.0'"
        if root_path:
            warnings.warn(
                "The `root_path` parameter is deprecated: tell the server instead, as `fastapi run --root-path` does.",
                category=FastAPIDeprecationWarning,
                stacklevel=2,
            )
        self.root_path = root_path
        self.state: State = State()
        self.webhooks: routing.APIRouter = webhooks or routing.APIRouter()
        self.dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        self.router: routing.APIRouter = routing.APIRouter(
            routes=routes,
            redirect_slashes=redirect_slashes,
            dependency_overrides_provider=self,
            on_startup=on_startup,
            on_shutdown=on_shutdown,
            lifespan=lifespan,
            default_response_class=default_response_class,
            dependencies=dependencies,
            callbacks=callbacks,
            deprecated=deprecated,
            include_in_schema=include_in_schema,
            responses=responses,
            generate_unique_id_function=generate_unique_id_function,
            strict_content_type=strict_content_type,
            max_body_size=max_body_size,
            form_limits=form_limits,
            json_encoder=json_encoder,
        )
        handlers: dict[Any, Callable[[Request, Any], Response | Awaitable[Response]]]
        handlers = {
            HTTPException: http_exception_handler,
            RequestValidationError: request_validation_exception_handler,
            WebSocketRequestValidationError: cast(Any, websocket_request_validation_exception_handler),
        }
        self.exception_handlers = {**(exception_handlers or {})}
        for exc_class, handler in handlers.items():
            self.exception_handlers.setdefault(exc_class, handler)
        self.user_middleware: list[Middleware] = list(middleware or [])
        # What the executor made of this application, and a number that grows when a
        # route changes: then it is made anew.
        self._program: Any = None
        self._outlines: list[object] = []
        self._version = 0
        self.router._parents.append(self)
        self.setup()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "build_middleware_stack":
            # Instrumentation puts its own around it: every request has to go that way.
            self._traced = True

    # ---- describing ----

    def openapi(self) -> dict[str, Any]:
        """The application's OpenAPI document; made anew when routes have changed."""
        from .openapi.utils import get_openapi

        version = self.router._get_routes_version()
        if not self.openapi_schema or self._openapi_routes_version != version:
            self.openapi_schema = get_openapi(
                title=self.title,
                version=self.version,
                openapi_version=self.openapi_version,
                summary=self.summary,
                description=self.description,
                terms_of_service=self.terms_of_service,
                contact=self.contact,
                license_info=self.license_info,
                routes=self.routes,
                webhooks=self.webhooks.routes,
                tags=self.openapi_tags,
                servers=self.servers,
                separate_input_output_schemas=self.separate_input_output_schemas,
                external_docs=self.openapi_external_docs,
            )
            self._openapi_routes_version = version
        return self.openapi_schema

    def setup(self) -> None:
        """Add the routes of the documentation; for subclasses to override."""
        if not self.openapi_url:
            return
        self.add_route(self.openapi_url, self._serve_openapi, name="openapi", include_in_schema=False)
        if self.docs_url:
            self.add_route(self.docs_url, self._serve_swagger, name="swagger_ui_html", include_in_schema=False)
            redirect_url = self.swagger_ui_oauth2_redirect_url
            if redirect_url:
                self.add_route(
                    redirect_url, self._serve_oauth2_redirect, name="swagger_ui_redirect", include_in_schema=False
                )
        if self.redoc_url:
            self.add_route(self.redoc_url, self._serve_redoc, name="redoc_html", include_in_schema=False)
        if self.scalar_url:
            self.add_route(self.scalar_url, self._serve_scalar, name="scalar_html", include_in_schema=False)
        self._setup_docs_assets()

    def _setup_docs_assets(self) -> None:
        """Add the pages' own files, below the first of the pages."""
        wanted = [SWAGGER_JS, SWAGGER_CSS] if self.docs_url else []
        wanted += [REDOC_JS] if self.redoc_url else []
        wanted += [SCALAR_JS] if self.scalar_url else []
        page = self.docs_url or self.redoc_url or self.scalar_url
        if self.docs_assets is None or not page:
            return
        self._docs_assets_url = page.rstrip("/") + "/assets"
        for name, endpoint in asset_endpoints(self.docs_assets, [*wanted, FAVICON]).items():
            self.add_route(f"{self._docs_assets_url}/{name}", endpoint, include_in_schema=False)

    def _local(self, request: Request, **names: str) -> dict[str, Any]:
        """Arguments of a page's function: where the files are, if they are here."""
        if self._docs_assets_url is None:
            return {}
        base = request.scope.get("root_path", "").rstrip("/") + self._docs_assets_url
        return {argument: f"{base}/{name}" for argument, name in names.items()}

    async def _serve_openapi(self, request: Request) -> Response:
        schema = self.openapi()
        root_path = request.scope.get("root_path", "").rstrip("/")
        if root_path and self.root_path_in_servers:
            servers = schema.get("servers", [])
            if root_path not in {server.get("url") for server in servers}:
                schema = {**schema, "servers": [{"url": root_path}, *servers]}
        return JSONResponse(schema)

    async def _serve_swagger(self, request: Request) -> Response:
        from .openapi.docs import get_swagger_ui_html

        root_path = request.scope.get("root_path", "").rstrip("/")
        redirect_url = self.swagger_ui_oauth2_redirect_url
        return get_swagger_ui_html(
            openapi_url=f"{root_path}{self.openapi_url}",
            title=f"{self.title} - Swagger UI",
            oauth2_redirect_url=root_path + redirect_url if redirect_url else None,
            init_oauth=self.swagger_ui_init_oauth,
            swagger_ui_parameters=self.swagger_ui_parameters,
            **self._local(
                request, swagger_js_url=SWAGGER_JS, swagger_css_url=SWAGGER_CSS, swagger_favicon_url=FAVICON
            ),
        )

    async def _serve_oauth2_redirect(self, request: Request) -> Response:
        from .openapi.docs import get_swagger_ui_oauth2_redirect_html

        return get_swagger_ui_oauth2_redirect_html()

    async def _serve_redoc(self, request: Request) -> Response:
        from .openapi.docs import get_redoc_html

        root_path = request.scope.get("root_path", "").rstrip("/")
        local = self._local(request, redoc_js_url=REDOC_JS, redoc_favicon_url=FAVICON)
        page = get_redoc_html(
            openapi_url=f"{root_path}{self.openapi_url}",
            title=f"{self.title} - ReDoc",
            with_google_fonts=not local,
            **local,
        )
        if local:
            # It draws its maker's logo from their server, without an option; if it can't, it goes without.
            page.headers["content-security-policy"] = "img-src 'self' data:"
        return page

    async def _serve_scalar(self, request: Request) -> Response:
        from .openapi.docs import get_scalar_html, scalar_local_parameters

        root_path = request.scope.get("root_path", "").rstrip("/")
        local = self._local(request, scalar_js_url=SCALAR_JS, scalar_favicon_url=FAVICON)
        return get_scalar_html(
            openapi_url=f"{root_path}{self.openapi_url}",
            title=f"{self.title} - Scalar",
            scalar_parameters=scalar_local_parameters if local else None,
            **local,
        )

    # ---- running ----

    # Runs a request on the executor in C; what it leaves to Python is below.
    __call__ = _fastrapid.asgi_method

    async def _lifespan_asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        self._is_traced()  # a global provider may be there by now
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        if self._program is not None:
            send = self._compared_when_started(send)
        if self._telemetry is None or not self._telemetry.config["auto_configure"]:
            await self.middleware_stack(scope, receive, send)
            return
        from .telemetry._export import exports

        await exports.around(self._telemetry.config, self.middleware_stack, scope, receive, send)

    async def _python_asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.root_path:
            scope["root_path"] = self.root_path
        scope["app"] = self
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        if self._telemetry is None or "fastapi.telemetry" in scope:
            await super().__call__(scope, receive, send)
        else:
            legacy = instrumented(self.middleware_stack)
            await self._telemetry(super().__call__, scope, receive, send, legacy=legacy)

    async def _traced_asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The routes, for a request whose scope has telemetry."""
        from ._runtime.traced import route_traced

        await route_traced(self, scope, receive, send)

    def _trace(self, config: "TelemetryConfig | None") -> None:
        from .telemetry._requests import Telemetry

        self._telemetry = Telemetry(config)
        self._traced = True
        self.middleware_stack = None

    def _is_traced(self) -> bool:
        """Whether requests are traced: it was asked for, or a provider is there now."""
        if not self._traced and "opentelemetry.trace" in sys.modules:
            from .telemetry._requests import Telemetry

            if Telemetry(None).is_on():
                self._trace(None)
        if Starlette.__call__.__module__ != "starlette.applications":
            # Instrumentation has put its own in the place of it.
            self._traced = True
        if type(self).build_middleware_stack is not _BUILD_MIDDLEWARE_STACK or has_own_way(self.router):
            self._traced = True
        return self._traced

    def build_middleware_stack(self) -> ASGIApp:
        """The application's middleware around its routes."""
        error_handler = None
        handlers: dict[Any, Any] = {}
        for key, value in self.exception_handlers.items():
            if key in (500, Exception):
                error_handler = value
            else:
                handlers[key] = value
        # Instrumentation watches how Middleware is made, also of the framework's own.
        stack = [
            Middleware(ServerErrorMiddleware, handler=error_handler, debug=self.debug),
            *([Middleware(FailureNotes)] if self._traced else []),
            Middleware(BodyLimit, self.max_body_size, outermost=True),
            *self.user_middleware,
            Middleware(ExceptionMiddleware, handlers=handlers, debug=self.debug),
        ]
        app: ASGIApp = _Inner(self)
        for cls, args, kwargs in reversed(stack):
            app = cls(app, *args, **kwargs)
        return app

    def _compared_when_started(self, send: Send) -> Send:
        """Have the application compiled anew if its start changes routes in place, as plugins do."""
        from ._compile.manifest import is_changed, look_again

        look_again(self)

        async def compared(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete" and is_changed(self):
                self.router._mark_routes_changed()
            await send(message)

        return compared

    def _mark_routes_changed(self) -> None:
        # An attribute of its own: the executor reads it with every request.
        self._version += 1

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Put middleware around all that was added before."""
        super().add_middleware(middleware_class, *args, **kwargs)
        self._mark_routes_changed()

    def _fallback(self) -> ASGIApp | None:
        """What the executor asks when no route answers."""
        return self.router._fallback()

    def _compiled(self) -> tuple[dict[str, Any], list[Any]]:
        """The manifest and its objects."""
        return compile_app(self)

    def _manifest(self) -> tuple[bytes, list[Any]]:
        """The manifest, encoded, and its objects."""
        manifest, objects = compile_app(self)
        return manifest_bytes(manifest), objects

    def _overridden(self) -> tuple[bytes, list[Any]]:
        """The same with the dependency overrides of this moment."""
        manifest, objects = compile_app(self, overrides=dict(self.dependency_overrides))
        return manifest_bytes(manifest), objects

    def serve(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        workers: int | str | None = None,
        config: str | os.PathLike[str] | None = None,
    ) -> None:
        """
        Start the server on this application; does not return.

        For the end of a script: `app.serve("0.0.0.0", 8080)`, or
        `app.serve(config="fastrapi.conf")`; without both it listens on
        127.0.0.1:8000. What is given here goes before the file. The process becomes
        the daemon, which imports the script again in its loader and workers,
        where this call does nothing.
        """
        from ._runtime.serve import serve

        serve(self, host, port, workers=workers, config=config)

    # ---- declaring ----

    @spelled(OPERATION, APP_ADD_ROUTE_NAMES)
    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Unpack[OperationOptions]) -> None:
        """Add an endpoint without a decorator."""
        self.router.add_api_route(path, endpoint, **options)

    @spelled(OPERATION, APP_API_ROUTE_NAMES)
    def api_route(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare an endpoint for the given methods; the options are those of `get`."""

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.router.add_api_route(path, func, **options)
            return func

        return decorator

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[Depends] | None = None,
    ) -> None:
        """Add a WebSocket endpoint without a decorator."""
        self.router.add_api_websocket_route(path, endpoint, name=name, dependencies=dependencies)

    def websocket(
        self,
        path: str,
        name: str | None = None,
        *,
        dependencies: Sequence[Depends] | None = None,
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare a WebSocket endpoint."""

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.add_api_websocket_route(path, func, name=name, dependencies=dependencies)
            return func

        return decorator

    def websocket_route(self, path: str, name: str | None = None) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Decorate a plain function of a WebSocket."""
        return self.router.websocket_route(path, name=name)

    @spelled(INCLUDE)
    def include_router(self, router: routing.APIRouter, **options: Unpack[IncludeOptions]) -> None:
        """Include a router's endpoints; see `APIRouter.include_router`."""
        self.router.include_router(router, **options)

    def frontend(
        self,
        path: str,
        *,
        directory: str | os.PathLike[str],
        fallback: Literal["auto", "index.html", "404.html"] | None = "auto",
        check_dir: bool | Literal["auto"] = "auto",
    ) -> None:
        """Serve a built frontend where no route answers; see `APIRouter.frontend`."""
        wants = wants_check(directory, check_dir)
        self.router.frontend(path, directory=directory, fallback=fallback, check_dir=wants)

    @deprecated("on_event is deprecated, use lifespan event handlers instead.")
    def on_event(self, event_type: str) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Deprecated: decorate a function to be called at `startup` or `shutdown`."""

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.router.add_event_handler(event_type, func)
            return func

        return decorator

    def middleware(self, middleware_type: str) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """
        Decorate a function that is called around every request.

        ```python
        @app.middleware("http")
        async def timed(request: Request, call_next):
            response = await call_next(request)
            response.headers["X-Served-By"] = "me"
            return response
        ```
        """

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.add_middleware(BaseHTTPMiddleware, dispatch=func)
            return func

        return decorator

    def exception_handler(self, exc_class_or_status_code: int | type[Exception]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Decorate a function that answers when an exception of a class, or a status, is raised."""

        def decorator(func: DecoratedCallable) -> DecoratedCallable:
            self.add_exception_handler(exc_class_or_status_code, func)
            return func

        return decorator


class _Inner:
    """What middleware is wrapped around: HTTP on the executor, the rest by the router."""

    def __init__(self, app: FastrAPI) -> None:
        self._http: ASGIApp = _fastrapid.asgi_router(app)
        self._app = app
        self._router = app.router
        self._is_plain = not has_own_way(app.router)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_plain:
            await self._http(scope, receive, send)
        elif self._is_plain and scope.get("fastapi.telemetry") is not None:
            await self._app._traced_asgi(scope, receive, send)
        else:
            await self._router(scope, receive, send)


# What a subclass overrides, and instrumentation replaces in the class.
_BUILD_MIDDLEWARE_STACK = FastrAPI.build_middleware_stack

add_verbs(FastrAPI, lambda app: app.router, VERB_NAMES)

FastAPI = FastrAPI
