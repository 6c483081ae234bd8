"""Responses: Starlette's, and two deprecated JSON encoders."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse as FileResponse
from starlette.responses import HTMLResponse as HTMLResponse
from starlette.responses import JSONResponse as JSONResponse
from starlette.responses import PlainTextResponse as PlainTextResponse
from starlette.responses import RedirectResponse as RedirectResponse
from starlette.responses import Response as Response
from starlette.responses import StreamingResponse as StreamingResponse
from typing_extensions import deprecated

from .exceptions import FastAPIDeprecationWarning
from .sse import EventSourceResponse as EventSourceResponse

_ADVICE = " is deprecated: with a response model or return type the answer is encoded directly."
_LIBRARIES = ("ujson", "orjson")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LIBRARIES})


if TYPE_CHECKING:
    ujson: Any
    orjson: Any
else:
    # Type checkers would take any name for one that exists.
    def __getattr__(name: str) -> Any:
        """A library, imported when somebody asks for it; None where it is not installed."""
        if name not in _LIBRARIES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            module = None
        globals()[name] = module
        return module


def _library(name: str) -> Any:
    return getattr(sys.modules[__name__], name)


@deprecated("UJSONResponse" + _ADVICE, category=FastAPIDeprecationWarning, stacklevel=2)
class UJSONResponse(JSONResponse):
    """Deprecated: JSON by the ujson library, which must be installed."""

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        ujson = _library("ujson")
        assert ujson is not None, "ujson must be installed to use UJSONResponse"
        text: str = ujson.dumps(content, ensure_ascii=False)
        return text.encode("utf-8")


@deprecated("ORJSONResponse" + _ADVICE, category=FastAPIDeprecationWarning, stacklevel=2)
class ORJSONResponse(JSONResponse):
    """Deprecated: JSON by the orjson library, which must be installed."""

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        orjson = _library("orjson")
        assert orjson is not None, "orjson must be installed to use ORJSONResponse"
        options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
        data: bytes = orjson.dumps(content, option=options)
        return data
