"""The schemes of the Authorization header: Basic, Bearer, Digest."""

from base64 import b64decode

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ..openapi.models import HTTPBase as HTTPBaseModel
from ..openapi.models import HTTPBearer as HTTPBearerModel
from .base import SecurityBase, unauthorized
from .utils import get_authorization_scheme_param


class HTTPBasicCredentials(BaseModel):
    """A name and a password."""

    username: str
    password: str


class HTTPAuthorizationCredentials(BaseModel):
    """A scheme, as sent, and what follows it."""

    scheme: str
    credentials: str


class HTTPBase(SecurityBase):
    """Any scheme of the Authorization header; as a dependency it gives the credentials."""

    model: HTTPBaseModel

    def __init__(
        self,
        *,
        scheme: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        self.model = HTTPBaseModel(scheme=scheme, description=description)
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_authenticate_headers(self) -> dict[str, str]:
        """The challenge that goes with a 401."""
        return {"WWW-Authenticate": self.model.scheme.title()}

    def make_not_authenticated_error(self) -> HTTPException:
        """The answer to a request without credentials; a subclass may make another one."""
        return unauthorized(self.make_authenticate_headers())

    def _refuse(self) -> None:
        if self.auto_error:
            raise self.make_not_authenticated_error()

    def _credentials(self, request: HTTPConnection, wanted: str | None) -> HTTPAuthorizationCredentials | None:
        header = request.headers.get("Authorization")
        scheme, credentials = get_authorization_scheme_param(header)
        if not (scheme and credentials) or (wanted is not None and scheme.lower() != wanted):
            self._refuse()
            return None
        return HTTPAuthorizationCredentials(scheme=scheme, credentials=credentials)

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        return self._credentials(request, None)


class HTTPBasic(HTTPBase):
    """Basic authentication; as a dependency it gives name and password."""

    def __init__(
        self,
        *,
        scheme_name: str | None = None,
        realm: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(
            scheme="basic",
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )
        self.realm = realm

    def make_authenticate_headers(self) -> dict[str, str]:
        """The challenge, with the realm if there is one."""
        return {"WWW-Authenticate": f'Basic realm="{self.realm}"' if self.realm else "Basic"}

    async def __call__(  # type: ignore[override]
        self, request: HTTPConnection
    ) -> HTTPBasicCredentials | None:
        scheme, param = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() != "basic":
            self._refuse()
            return None
        # What was sent but can't be read is refused even if nothing need be sent.
        try:
            text = b64decode(param).decode("ascii")
        except ValueError as exc:
            raise self.make_not_authenticated_error() from exc
        username, colon, password = text.partition(":")
        if not colon:
            raise self.make_not_authenticated_error()
        return HTTPBasicCredentials(username=username, password=password)


class HTTPBearer(HTTPBase):
    """A bearer token; as a dependency it gives the credentials."""

    def __init__(
        self,
        *,
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        self.model = HTTPBearerModel(bearerFormat=bearerFormat, description=description)
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        return self._credentials(request, "bearer")


class HTTPDigest(HTTPBase):
    """Digest authentication, as far as the header goes; as a dependency it gives it."""

    def __init__(
        self,
        *,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(
            scheme="digest",
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        return self._credentials(request, "digest")
