"""Fields as a plan knows them."""

from typing import Any, NamedTuple

from .._compile.fields import Errors, Loc, ModelField, missing_error, prefixed


class FieldRef(NamedTuple):
    """A field, and where in a request its errors are reported."""

    field: ModelField
    loc: Loc

    def missing(self) -> dict[str, Any]:
        return missing_error(self.loc)

    def errors(self, exc: Any) -> Errors:
        return prefixed(exc.errors(include_url=False), self.loc)
