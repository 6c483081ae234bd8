"""
Limits on the size of a request's body, for whatever reads it in Python.

One meter counts the bytes of a request; it lies in the scope, where each
application, router and route that the request comes to sets its own limit.
Starlette's middleware keeps its meter under the same keys, so that mounted
applications of either kind go on with the other's.
"""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware import body_limit
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..exception_handlers import http_exception_handler

_METER = "starlette._body_limit_responder"
_TEXT = "Content Too Large"


class BodyTooLarge(HTTPException):
    """A request's body is longer than allowed."""

    def __init__(self) -> None:
        super().__init__(status_code=413, detail=_TEXT)


_signals = (BodyTooLarge, getattr(body_limit, "_RequestBodyTooLarge", BodyTooLarge))


def too_large() -> Response:
    return PlainTextResponse(_TEXT, status_code=413)


def _announced(scope: Scope) -> int | None:
    for name, value in scope.get("headers", ()):
        if name.lower() == b"content-length":
            try:
                return int(value)
            except ValueError:
                return None
    return None


class Meter:
    """Counts what a request's receive() gives, and stops when it is too much."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._announced = _announced(scope)
        self.refused = False
        # The names that Starlette's middleware changes.
        self.max_body_size = limit
        self.total_size = 0
        self.response_started = False

    def _is_announced_too_large(self) -> bool:
        return self._announced is not None and self._announced > self.max_body_size

    async def receive(self) -> Message:
        if self.refused:
            return await self._receive()
        if self._is_announced_too_large():
            raise BodyTooLarge
        message = await self._receive()
        if message["type"] == "http.request":
            self.total_size += len(message.get("body", b""))
            if self.total_size > self.max_body_size:
                raise BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.response_started = True
            # Nobody read the body, but it is refused all the same.
            self.refused = self._is_announced_too_large()
            if self.refused:
                await too_large()(self._scope, self._receive, self._send)
        if not self.refused:
            await self._send(message)


def limit_body(scope: Scope, receive: Receive, send: Send, limit: int) -> tuple[Receive, Send]:
    """Set the limit from here on; the receive() and send() that hold it."""
    scope[MAX_BODY_SIZE_SCOPE_KEY] = limit
    meter = scope.get(_METER)
    if meter is not None:
        meter.max_body_size = limit
        if meter.total_size > limit:
            raise BodyTooLarge
        return receive, send
    meter = scope[_METER] = Meter(scope, receive, send, limit)
    return meter.receive, meter.send


def limit_error(exc: Exception) -> HTTPException | None:
    """The limit's own exception, also out of groups that hold nothing else."""
    if isinstance(exc, ExceptionGroup):
        if exc.split(_signals)[1] is not None:
            return None
        while isinstance(exc, ExceptionGroup):
            exc = exc.exceptions[0]
    return exc if isinstance(exc, _signals) else None


class BodyLimit:
    """
    An ASGI application within a limit.

    `outermost`: nothing around it answers exceptions but with a 500, also if
    the limit was set further out.
    """

    def __init__(self, app: ASGIApp, limit: int | None, *, outermost: bool = False) -> None:
        self.app = app
        self.limit = limit
        self.outermost = outermost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inside = _METER in scope
        if scope["type"] != "http" or (self.limit is None and not inside):
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        previous: Any = scope.get(MAX_BODY_SIZE_SCOPE_KEY)
        try:
            own: tuple[Receive, Send] = (receive, watched)
            if self.limit is not None:
                own = limit_body(scope, receive, watched, self.limit)
            await self.app(scope, *own)
        except Exception as exc:
            error = limit_error(exc)
            if error is not None and getattr(scope[_METER], "refused", False):
                return  # while the answer was sent, somebody looked for more of the body
            if error is None or started:
                raise
            if not inside:
                await too_large()(scope, receive, send)
            elif self.outermost:
                response = await http_exception_handler(Request(scope, receive), error)
                await response(scope, receive, send)
            elif error is exc:
                raise
            else:
                raise error from exc
        finally:
            if not inside:
                scope.pop(_METER, None)
                scope.pop(MAX_BODY_SIZE_SCOPE_KEY, None)
            elif previous is not None:
                scope[MAX_BODY_SIZE_SCOPE_KEY] = previous
