"""OpenID Connect."""

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ..openapi.models import OpenIdConnect as OpenIdConnectModel
from .base import SecurityBase, unauthorized


class OpenIdConnect(SecurityBase):
    """A scheme that OpenID Connect discovers; as a dependency it gives the header."""

    def __init__(
        self,
        *,
        openIdConnectUrl: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        self.model = OpenIdConnectModel(openIdConnectUrl=openIdConnectUrl, description=description)
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_not_authenticated_error(self) -> HTTPException:
        """The answer to a request without credentials; a subclass may make another one."""
        return unauthorized({"WWW-Authenticate": "Bearer"}, HTTPException)

    async def __call__(self, request: HTTPConnection) -> str | None:
        authorization = request.headers.get("Authorization")
        if authorization:
            return authorization
        if self.auto_error:
            raise self.make_not_authenticated_error()
        return None
