"""What an application answers to the exceptions that every application meets."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.status import WS_1008_POLICY_VIOLATION

from .encoders import jsonable_encoder
from .exceptions import RequestValidationError, WebSocketRequestValidationError
from .utils import is_body_allowed_for_status_code
from .websockets import WebSocket


async def http_exception_handler(request: Request, exc: HTTPException) -> Response:
    """Answer an HTTPException with its status and `{"detail": ...}`."""
    headers = getattr(exc, "headers", None)
    if is_body_allowed_for_status_code(exc.status_code):
        return JSONResponse({"detail": exc.detail}, status_code=exc.status_code, headers=headers)
    return Response(status_code=exc.status_code, headers=headers)


async def request_validation_exception_handler(request: Request, exc: RequestValidationError) -> JSONResponse:
    """Answer an invalid request with 422 and the list of what is wrong."""
    return JSONResponse({"detail": jsonable_encoder(exc.errors())}, status_code=422)


async def websocket_request_validation_exception_handler(
    websocket: WebSocket, exc: WebSocketRequestValidationError
) -> None:
    """Close a WebSocket whose parameters are invalid."""
    await websocket.close(code=WS_1008_POLICY_VIOLATION, reason=jsonable_encoder(exc.errors()))
