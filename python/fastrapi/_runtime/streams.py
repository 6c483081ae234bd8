"""Endpoints that yield: JSON lines, server-sent events and raw streams."""

import json
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
from anyio.abc import ObjectReceiveStream
from starlette.background import BackgroundTasks
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from .. import sse
from .._compile.dependant import is_async_generator
from .._compile.fields import ModelField
from .._route import given
from ..encoders import jsonable_encoder
from ..exceptions import ResponseValidationError
from .answers import dump_options, status_of
from .errors import endpoint_context


def finite(data: Any) -> Any:
    """Plain data with None for the numbers that JSON does not know."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, list):
        return [finite(value) for value in data]
    return data


def _dumps(data: Any) -> bytes:
    return json.dumps(finite(jsonable_encoder(data))).encode("utf-8")


class StreamResponder:
    """Makes the response of one route whose endpoint yields."""

    def __init__(self, route: Any) -> None:
        self.route = route
        self.is_async = is_async_generator(route.dependant.call)

    def __repr__(self) -> str:
        return f"<responder of {self.route.path}>"

    def _item(self, item: Any) -> bytes:
        route = self.route
        field: ModelField | None = route.stream_item_field
        if field is None:
            return _dumps(item)
        value, errors = field.validate(item, loc=("response",))
        if errors:
            raise ResponseValidationError(errors, body=item, endpoint_ctx=endpoint_context(route, None, None))
        return field.serialize_json(value, **dump_options(route))

    def _event(self, item: Any) -> bytes:
        if not isinstance(item, sse.ServerSentEvent):
            return sse.format_sse_event(data_str=self._item(item).decode("utf-8"))
        text = item.raw_data
        if text is None and item.data is not None:
            if hasattr(item.data, "model_dump_json"):
                text = item.data.model_dump_json()
            else:
                text = _dumps(item.data).decode("utf-8")
        return sse.format_sse_event(data_str=text, event=item.event, id=item.id, retry=item.retry, comment=item.comment)

    async def __call__(
        self,
        generator: Any,
        *,
        status: int | None,
        background: BackgroundTasks | None,
        injected: Response,
        stack: AsyncExitStack,
    ) -> Response:
        """
        The response to a generator.

        `injected` is the one that dependencies wrote to; `stack` is closed after
        the response was sent.
        """
        options: dict[str, Any] = {"background": background}
        status = status or status_of(self.route, injected)
        if status:
            options["status_code"] = status
        response: Response
        if self.route.is_sse_stream:
            stream = await stack.enter_async_context(self._events(generator))
            response = StreamingResponse(_with_pauses(stream), media_type="text/event-stream", **options)
            response.headers["Cache-Control"] = "no-cache"
            # Tells nginx to pass each event on at once.
            response.headers["X-Accel-Buffering"] = "no"
        elif self.route.is_json_stream:
            lines: Any = self._async_lines(generator) if self.is_async else self._lines(generator)
            response = StreamingResponse(lines, media_type="application/jsonl", **options)
        else:
            content = _with_pauses(generator) if self.is_async else generator
            response = given(self.route.response_class)(content=content, **options)
        response.headers.raw.extend(injected.headers.raw)
        return response

    async def _end(self, generator: Any) -> None:
        close = getattr(generator, "aclose" if self.is_async else "close", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await (close() if self.is_async else run_in_threadpool(close))

    def _lines(self, generator: Iterator[Any]) -> Iterator[bytes]:
        for item in generator:
            yield self._item(item) + b"\n"

    async def _async_lines(self, generator: AsyncIterator[Any]) -> AsyncIterator[bytes]:
        async for item in generator:
            yield self._item(item) + b"\n"
            # A generator that never waits must be cancellable too.
            await anyio.sleep(0)

    @asynccontextmanager
    async def _events(self, generator: Any) -> AsyncIterator[ObjectReceiveStream[bytes]]:
        """
        Run the generator in a task of its own, so that a comment can be sent
        while it is silent, without cancelling what it waits for.
        """
        items: AsyncIterator[Any]
        items = generator.__aiter__() if self.is_async else iterate_in_threadpool(generator)
        to_pinger, from_generator = anyio.create_memory_object_stream[bytes](1)
        to_client, from_pinger = anyio.create_memory_object_stream[bytes](1)

        async def produce() -> None:
            async with to_pinger:
                try:
                    async for item in items:
                        await to_pinger.send(self._event(item))
                finally:
                    # Cancelled in send(), it waits at its yield: what it holds is
                    # given back now, not when the garbage is collected.
                    await self._end(generator)

        from .. import routing

        async def keep_alive() -> None:
            async with to_client, from_generator:
                while True:
                    data = sse.KEEPALIVE_COMMENT
                    with anyio.move_on_after(routing._PING_INTERVAL):
                        try:
                            data = await from_generator.receive()
                        except anyio.EndOfStream:
                            return
                    await to_client.send(data)

        # Closed only when nobody is left to send: a client may leave while the queues are full.
        async with from_pinger, anyio.create_task_group() as group:
            group.start_soon(produce)
            group.start_soon(keep_alive)
            yield from_pinger
            group.cancel_scope.cancel()


async def _with_pauses(items: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for item in items:
        yield item
        await anyio.sleep(0)


def stream_responder(route: Any) -> StreamResponder:
    return StreamResponder(route)
