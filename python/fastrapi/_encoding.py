"""`json_encoder`: what makes the bytes of JSON answers, where it is not FastAPI's way."""

import functools
import importlib
from collections.abc import Callable
from typing import Any, Literal, get_args

from starlette.responses import JSONResponse

EncoderName = Literal["orjson", "msgspec", "stdlib"]
# A callable gets plain data (dicts, lists, strings, numbers, booleans, None) and gives the bytes.
JSONEncoder = EncoderName | Callable[[Any], bytes]


def _encode(name: EncoderName) -> Callable[[Any], bytes]:
    if name == "stdlib":
        return JSONResponse(None).render
    try:
        module = importlib.import_module("msgspec.json" if name == "msgspec" else name)
    except ImportError as exc:
        raise RuntimeError(
            f'json_encoder="{name}" requires "{name}" to be installed. \n'
            f'You can install "{name}" with: \n\npip install {name}\n'
        ) from exc
    if name == "orjson":
        # JSON's keys are strings; the stdlib makes strings of numbers, so these do too.
        return functools.partial(module.dumps, option=module.OPT_NON_STR_KEYS)
    encode: Callable[[Any], bytes] = module.encode
    return encode


def check_json_encoder(encoder: JSONEncoder | None) -> None:
    """Refuse what is no encoder, and a name whose package is missing."""
    if encoder is None or (callable(encoder) and not isinstance(encoder, str)):
        return
    if encoder not in get_args(EncoderName):
        raise ValueError(
            f"json_encoder must be 'orjson', 'msgspec', 'stdlib', a callable that gives bytes, or None, not {encoder!r}"
        )
    _encode(encoder)


def response_class_with(encoder: JSONEncoder | None) -> type[JSONResponse] | None:
    """The response class whose bodies an encoder makes; none for none."""
    if encoder is None:
        return None
    if isinstance(encoder, str):
        return _named(encoder)
    return _response_class(encoder, getattr(encoder, "__qualname__", type(encoder).__qualname__))


@functools.cache
def _named(name: EncoderName) -> type[JSONResponse]:
    return _response_class(_encode(name), name)


def _response_class(encode: Callable[[Any], bytes], name: str) -> type[JSONResponse]:
    class EncodedResponse(JSONResponse):
        def render(self, content: Any) -> bytes:
            body = encode(content)
            if not isinstance(body, bytes):
                raise TypeError(f"The json_encoder {name} must return bytes, not {type(body).__name__}")
            return body

    EncodedResponse.__qualname__ = f"EncodedResponse[{name}]"
    return EncodedResponse
