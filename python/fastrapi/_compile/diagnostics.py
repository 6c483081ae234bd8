"""
Mistakes in declarations, put into words: what, where, and how to mend it.

An error keeps its type and its text, which are FastAPI's wherever FastAPI
raises it too; ours follows as notes.  A warning is a Finding; docs/errors.md
has the table of both.
"""

import inspect
import os
import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import SchemaError

from ..exceptions import DependencyScopeError, FastAPIError, FastrAPIDeclarationWarning, PydanticV1NotSupportedError

# ---- places ----


def locate(function: Any) -> tuple[str | None, int]:
    """File and line of a callable; (None, 0) if it has none."""
    try:
        target = inspect.unwrap(function)
        while isinstance(target, partial):
            target = target.func
        if not hasattr(target, "__code__") and not inspect.isclass(target):
            target = type(target).__call__
        code = getattr(target, "__code__", None)
        if code is not None:
            return code.co_filename, code.co_firstlineno
        return inspect.getsourcefile(target), inspect.getsourcelines(target)[1]
    except (TypeError, OSError, ValueError, AttributeError):
        return None, 0


def name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def place_of(function: Any) -> str:
    file, line = locate(function)
    return f"{file}:{line}, in {name_of(function)}" if file else name_of(function)


def route_name(route: Any) -> str:
    return label(getattr(route, "path", ""), getattr(route, "methods", None))


def label(path: str, methods: Iterable[str] | None) -> str:
    return f"{','.join(sorted(methods))} {path}" if methods else path


# ---- errors ----

_MEND = "  mend: "
_MOST_NOTES = 16

_ONE_DECLARATION = "keep one of the two declarations"
_NOT_CALLED = "give Depends() the function or class itself: Depends(get_db), neither its result nor a value"
_NO_DEFAULT = "remove the default; declare the path without the parameter by a decorator of its own"

# The first row whose type and text fit.  Most texts are FastAPI's, some Python's or Pydantic's.
_MENDS: tuple[tuple[type[Exception], str, str], ...] = (
    (AssertionError, "Path parameters cannot have ", _NO_DEFAULT),
    (
        AssertionError,
        "Path params must be of",
        "give it a type that one piece of a path can hold, such as str, int, UUID or an Enum",
    ),
    (AssertionError, "Cannot use `.*` for path param", "declare it with Path(), or take its name out of the path"),
    (
        AssertionError,
        "Query parameter .* must be one of",
        "give it a scalar type, a list of scalars or a model; declare other data with Body()",
    ),
    (AssertionError, "`.*` default value cannot be set in", "write the default behind the annotation: `= value`"),
    (AssertionError, "Cannot specify", _ONE_DECLARATION),
    (AssertionError, "A parameter-less dependency must", _NOT_CALLED),
    (
        AssertionError,
        "Status code .* must not have a response body",
        "choose another status code, or declare no model: response_model=None",
    ),
    (AssertionError, "An additional response must", "write each of `responses` as a dict, such as {'model': Message}"),
    (AssertionError, "An endpoint must", "decorate a function"),
    (TypeError, ".* is not a callable object", _NOT_CALLED),
    (AttributeError, ".* has no attribute 'dependency'", "write each of `dependencies` as Depends(function)"),
    (ValueError, "Duplicated param name", "give each parameter of a path, prefixes included, a name of its own"),
    (ValueError, "invalid literal for int", "write the keys of `responses` as status codes, '4XX' or 'default'"),
    (RecursionError, "", "let one of them take what it needs from the request, or as an argument, not by Depends()"),
    (
        DependencyScopeError,
        "",
        'give the inner dependency scope="request", or the outer one scope="function"',
    ),
    (PydanticV1NotSupportedError, "", "derive the model from pydantic.BaseModel"),
    (
        FastAPIError,
        "Invalid args for response field",
        "use a type that Pydantic knows, or give the class a __get_pydantic_core_schema__;"
        " a return type that is no model needs response_model=None",
    ),
    (
        PydanticUndefinedAnnotation,
        "",
        "define or import the name where the function is declared; `if TYPE_CHECKING:` is not enough",
    ),
    (
        PydanticUserError,
        "(?s).* not fully defined",
        "define or import the names in the annotation before the application is complete;"
        " `if TYPE_CHECKING:` is not enough",
    ),
    (PydanticUserError, "", "change the annotation so that Pydantic can make a schema for it"),
    (SchemaError, "", "correct the constraint that Pydantic refuses"),
)


def _mend_of(exc: BaseException) -> str | None:
    text = str(exc)
    for kind, pattern, mend in _MENDS:
        if isinstance(exc, kind) and re.match(pattern, text):
            return mend
    return None


def note(exc: BaseException, line: str) -> None:
    """Add a line to an exception; how to mend it stays the last one."""
    notes = list(getattr(exc, "__notes__", ()))
    if len(notes) >= _MOST_NOTES:
        return
    if not any(old.startswith(_MEND) for old in notes):
        mend = _mend_of(exc)
        if mend is not None:
            exc.add_note(_MEND + mend)
    exc.add_note("  " + line)
    lines: list[str] = exc.__notes__
    lines.sort(key=lambda text: text.startswith(_MEND))


def note_parameter(exc: BaseException, name: str, call: Any) -> None:
    """Say which parameter an exception is about."""
    note(exc, f"parameter {name!r}: {place_of(call)}")


def note_route(exc: BaseException, route: str, endpoint: Any) -> None:
    """Say which route an exception is about."""
    note(exc, f"route {route}: {place_of(endpoint)}")


def note_caller(exc: BaseException) -> None:
    """Say which line of the application led to an exception."""
    package = os.path.dirname(os.path.dirname(__file__))
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(package):
        frame = frame.f_back
    if frame is not None:
        note(exc, f"declared: {frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}")


def refuse_cycle(call: Any, above: tuple[Any, ...]) -> None:
    """Refuse a dependency that needs itself; without this Python's stack would end."""
    for index, outer in enumerate(above):
        same = outer is call or (inspect.ismethod(call) and inspect.ismethod(outer) and outer == call)
        if same:
            exc = RecursionError("maximum recursion depth exceeded")
            chain = " -> ".join(name_of(each) for each in (*above[index:], call))
            note(exc, f"the dependencies form a cycle: {chain}")
            raise exc


# ---- findings ----


@dataclass(frozen=True)
class Finding:
    """Something that a check has found."""

    kind: str
    text: str
    mend: str
    route: str
    endpoint: Any
    parameter: str | None = None
    call: Any = None  # whose parameter it is, if not the endpoint's
    other: str | None = None  # an earlier route
    other_endpoint: Any = None
    is_error: bool = False
    is_provisional: bool = False  # a warning that is an error if the complete application still has it

    @property
    def place(self) -> tuple[str, int]:
        file, line = locate(self.endpoint)
        return file or "<unknown>", line

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for the same mistake, found once more where a router is included."""
        owner = self.call if self.call is not None else self.endpoint
        other = self.other if self.other_endpoint is None else locate(self.other_endpoint)
        return self.kind, locate(owner), name_of(owner), self.parameter, other

    def notes(self) -> list[str]:
        lines = []
        if self.parameter is not None:
            owner = self.call if self.call is not None else self.endpoint
            lines.append(f"  parameter {self.parameter!r}: {place_of(owner)}")
        lines.append(f"  route {self.route}: {place_of(self.endpoint)}")
        if self.other is not None:
            place = "" if self.other_endpoint is None else f": {place_of(self.other_endpoint)}"
            lines.append(f"  earlier: {self.other}{place}")
        return [*lines, _MEND + self.mend]

    def __str__(self) -> str:
        return "\n".join([self.text, *self.notes()])

    def line(self, severity: str) -> str:
        """The finding as other tools' messages begin, so that editors find the place."""
        file, line = self.place
        return f"{severity}: {file}:{line}: {self}"

    def exception(self) -> FastAPIError:
        exc = FastAPIError(self.text)
        for line in self.notes():
            exc.add_note(line)
        return exc


_registry: dict[Any, Any] = {}  # as a module's __warningregistry__
_told: set[tuple[Any, ...]] = set()  # by the loader, which asks again when the application is complete


def is_quiet() -> bool:
    """Whether warnings were given already: by the loader, for its workers."""
    return os.environ.get("FASTRAPID_ROLE") == "worker"


def _issue(finding: Finding) -> None:
    file, line = finding.place
    module = getattr(finding.endpoint, "__module__", None)
    warnings.warn_explicit(str(finding), FastrAPIDeclarationWarning, file, line, module, _registry)


def _error_is_meant() -> bool:
    """Whether a filter that makes errors of warnings is about ours, not about all."""
    return any(
        action == "error" and isinstance(category, type) and issubclass(category, FastrAPIDeclarationWarning)
        for action, _, category, _, _ in warnings.filters
    )


def warn(finding: Finding) -> None:
    """
    Issue a warning, at the line of the declaration.

    What FastAPI accepts is accepted even where all warnings are errors: only a
    filter that names our category makes errors of these.
    """
    if is_quiet():
        return
    is_loader = os.environ.get("FASTRAPID_ROLE") == "loader"
    if is_loader:
        if finding.is_provisional or finding.key in _told:
            return
        _told.add(finding.key)
        with warnings.catch_warnings(record=True) as passed:
            _warn(finding)
        if passed:
            print(finding.line("warning"), file=sys.stderr)
    else:
        _warn(finding)


def _warn(finding: Finding) -> None:
    try:
        _issue(finding)
    except FastrAPIDeclarationWarning:
        if _error_is_meant():
            raise
        with warnings.catch_warnings():
            warnings.simplefilter("default", FastrAPIDeclarationWarning)
            _issue(finding)


def report(findings: Iterable[Finding]) -> None:
    """Give the warnings; raise the first error."""
    for finding in findings:
        if finding.is_error:
            raise finding.exception()
        warn(finding)


def report_all(findings: Iterable[Finding]) -> None:
    """Give the warnings, then raise one error with all of them."""
    errors: dict[Any, Finding] = {}
    for finding in findings:
        if finding.is_error:
            errors.setdefault(finding.key, finding)
        else:
            warn(finding)
    if errors:
        count = f"{len(errors)} error{'' if len(errors) == 1 else 's'}"
        lines = [finding.line("error") for finding in errors.values()]
        raise FastAPIError("\n".join([f"{count} in the application's declarations", *lines]))
