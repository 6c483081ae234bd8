"""Keys in a query parameter, a header or a cookie."""

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ..openapi.models import APIKey, APIKeyIn
from .base import SecurityBase, unauthorized


class APIKeyBase(SecurityBase):
    """A key that is in one place of the request; whether it is right, the application says."""

    model: APIKey

    def __init__(
        self,
        location: APIKeyIn,
        name: str,
        description: str | None,
        scheme_name: str | None,
        auto_error: bool,
    ) -> None:
        place: dict[str, Any] = {"in": location}
        self.model = APIKey(**place, name=name, description=description)
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_not_authenticated_error(self) -> HTTPException:
        """The answer to a request without a key; a subclass may make another one."""
        return unauthorized({"WWW-Authenticate": "APIKey"}, HTTPException)

    def check_api_key(self, api_key: str | None) -> str | None:
        """The key; without one an error, or None if `auto_error` is off."""
        if api_key:
            return api_key
        if self.auto_error:
            raise self.make_not_authenticated_error()
        return None


class _APIKeyAt(APIKeyBase):
    """What the public schemes share: each says where it looks, and how it reads the key there."""

    location: ClassVar[APIKeyIn]

    def __init__(
        self,
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(self.location, name, description, scheme_name, auto_error)

    def _values(self, request: HTTPConnection) -> Mapping[str, str]:
        raise NotImplementedError

    async def __call__(self, request: HTTPConnection) -> str | None:
        return self.check_api_key(self._values(request).get(self.model.name))


class APIKeyQuery(_APIKeyAt):
    """A key in a query parameter; as a dependency it gives the key."""

    location = APIKeyIn.query

    def _values(self, request: HTTPConnection) -> Mapping[str, str]:
        return request.query_params


class APIKeyHeader(_APIKeyAt):
    """A key in a header field; as a dependency it gives the key."""

    location = APIKeyIn.header

    def _values(self, request: HTTPConnection) -> Mapping[str, str]:
        return request.headers


class APIKeyCookie(_APIKeyAt):
    """A key in a cookie; as a dependency it gives the key."""

    location = APIKeyIn.cookie

    def _values(self, request: HTTPConnection) -> Mapping[str, str]:
        return request.cookies
