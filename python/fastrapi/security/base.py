"""What all security schemes have."""

from starlette.exceptions import HTTPException
from starlette.status import HTTP_401_UNAUTHORIZED

from ..exceptions import HTTPException as _HTTPException
from ..openapi.models import SecurityBase as SecurityBaseModel


class SecurityBase:
    """A security scheme: its description, and the name it goes by in OpenAPI."""

    model: SecurityBaseModel
    scheme_name: str


def unauthorized(headers: dict[str, str], error: type[HTTPException] = _HTTPException) -> HTTPException:
    """401 with a challenge in WWW-Authenticate."""
    return error(status_code=HTTP_401_UNAUTHORIZED, detail="Not authenticated", headers=headers)
