"""TestClient's WebSocket session, with a connection of the package websockets."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

import httpx
from fastrapi import WebSocketDisconnect
from starlette.testclient import WebSocketDenialResponse
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

# TestClient waits without an end.
WAITS = 60.0
# What the library says itself.
ITS_OWN = {"host", "connection", "upgrade", "accept-encoding", "user-agent"}


class Session:
    def __init__(self, port: int, request: httpx.Request, subprotocols: Any) -> None:
        self._port = port
        self._request = request
        self._subprotocols = subprotocols
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Session:
        try:
            self._connection = self._connect()
        except InvalidStatus as error:
            answer = error.response
            headers = [(name.encode(), value.encode()) for name, value in answer.headers.raw_items()]
            raise WebSocketDenialResponse(answer.status_code, headers=headers, content=bytes(answer.body or b"")) from None  # type: ignore[call-arg]
        self._stack.callback(self.close)
        response = self._connection.response
        assert response
        self.accepted_subprotocol = self._connection.subprotocol
        self.extra_headers = [(name.lower().encode(), value.encode()) for name, value in response.headers.raw_items()]
        return self

    def _connect(self) -> ClientConnection:
        headers = [(name, value) for name, value in self._request.headers.multi_items() if name not in ITS_OWN]
        connection = connect(
            str(self._request.url),
            sock=socket.create_connection(("127.0.0.1", self._port)),
            additional_headers=headers,
            user_agent_header=self._request.headers["user-agent"],
            subprotocols=self._subprotocols,
            compression=None,
            legacy=True,
            proxy=None,
            open_timeout=WAITS,
            close_timeout=WAITS,
        )
        assert isinstance(connection, ClientConnection)
        return connection

    def __exit__(self, *_: Any) -> None:
        self._stack.close()

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        self._connection.close(code, reason or "")

    def send(self, message: dict[str, Any]) -> None:
        data = message.get("bytes")
        # What is sent to one that has closed is lost, as it is in memory.
        with contextlib.suppress(ConnectionClosed):
            self._connection.send(message["text"] if data is None else data)

    def send_text(self, data: str) -> None:
        self.send({"text": data})

    def send_bytes(self, data: bytes) -> None:
        self.send({"bytes": data})

    def send_json(self, data: Any, mode: str = "text") -> None:
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        self.send({"text": text} if mode == "text" else {"bytes": text.encode()})

    def receive(self) -> dict[str, Any]:
        try:
            data = self._connection.recv(WAITS)
        except ConnectionClosed as closed:
            frame = closed.rcvd
            code, reason = (frame.code, frame.reason) if frame else (1006, "")
            return {"type": "websocket.close", "code": code, "reason": reason}
        return {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}

    def _message(self) -> dict[str, Any]:
        message = self.receive()
        if message["type"] == "websocket.close":
            raise WebSocketDisconnect(code=message["code"], reason=message["reason"])
        return message

    def receive_text(self) -> str:
        return str(self._message()["text"])

    def receive_bytes(self) -> bytes:
        return bytes(self._message()["bytes"])

    def receive_json(self, mode: str = "text") -> Any:
        message = self._message()
        return json.loads(message["text"] if mode == "text" else message["bytes"])
