"""A route's dependant, flattened to steps over numbered slots (docs/manifest.md)."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from pydantic import PydanticUserError, TypeAdapter
from starlette.responses import JSONResponse

from .. import params
from .._route import RouteState, given
from .._runtime.calls import DefaultValue, limited
from .._runtime.fields import FieldRef
from .._runtime.forms import BodyReader
from .._runtime.params import ParamReader
from .._runtime.streams import stream_responder
from ..datastructures import DefaultPlaceholder
from .aliases import is_json_field, param_aliases, param_model
from .annotations import is_sequence
from .bodies import should_embed
from .dependant import (
    Dependant,
    cache_key,
    is_any_generator,
    is_async_generator,
    is_coroutine,
    is_generator,
    oauth_scopes,
    replaced,
    without_partial,
)
from .diagnostics import note
from .direct import fast_kind, is_direct
from .fields import ModelField

Step = dict[str, Any]
Slots = list[list[Any]]


class Objects:
    """What the manifest's ids stand for, in words and in fact."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.values: list[Any] = []

    def add(self, name: str, value: Any) -> int:
        self.names.append(name)
        self.values.append(value)
        return len(self.values) - 1


class Places:
    """One number for each callable that may run in a thread, and each way that routes ask for."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str | None], int] = {}
        self._kept: list[Any] = []

    def of(self, call: Any, mode: str | None) -> int:
        key = id(call), mode
        if key not in self._numbers:
            self._numbers[key] = len(self._kept)
            self._kept.append(call)
        return self._numbers[key]

    def __len__(self) -> int:
        return len(self._kept)


def call_name(call: Any) -> str:
    """module.qualname of a callable, or of the class of an object that can be called."""
    target = without_partial(call)
    if not hasattr(target, "__qualname__"):
        target = type(target)
    return f"{target.__module__}.{target.__qualname__}"


def mode_of(call: Callable[..., Any] | None) -> str:
    if is_async_generator(call):
        return "agen"
    if is_generator(call):
        return "gen"
    return "async" if is_coroutine(call) else "sync"


_CONSTANT = (type(None), bool, int, float, str, bytes)


def is_constant(value: Any) -> bool:
    """Whether a deep copy of the value is the value itself."""
    if type(value) in _CONSTANT or isinstance(value, Enum):
        return True
    return type(value) is tuple and all(is_constant(item) for item in value)


def _adapter(field: ModelField, what: str = "parameter") -> TypeAdapter[Any]:
    """A field's adapter, complete: one that waited for a name is built now."""
    adapter = field._type_adapter
    try:
        assert adapter.core_schema["type"]
    except PydanticUserError as exc:
        note(exc, f"{what} {field.name!r}")
        raise
    return adapter


class Planner:
    """Makes one route's plan."""

    def __init__(
        self,
        route: RouteState,
        label: str,
        objects: Objects,
        places: Places,
        overrides: dict[Any, Any],
    ) -> None:
        self.route = route
        self.label = label
        self.objects = objects
        self.places = places
        self.overrides = overrides
        self.steps: list[Step] = []
        self.slots = 0
        self.marks = 0
        self.caches: dict[Any, int] = {}
        self._seen: set[int] = set()
        self._convertors = {name: type(convertor).__name__ for name, convertor in route.param_convertors.items()}
        body = route.body_field
        self.body = "none"
        if body is not None:
            self.body = "form" if isinstance(body.field_info, params.Form) else "json"

    # ---- registers and objects ----

    def _slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def _object(self, kind: str, what: str, value: Any) -> int:
        return self.objects.add(f"{kind} {self.label} {what}".rstrip(), value)

    # ---- the plan ----

    def plan(self) -> list[Step]:
        dependant = self.route.dependant
        call: Any = dependant.call
        args = self._inputs(dependant, "")
        mode = mode_of(call)
        slot = self._slot()
        step: Step = {
            "op": "endpoint",
            "name": call_name(call),
            "object": self.objects.add(f"call {self.label} {call_name(call)}", call),
            "mode": mode,
            "args": args,
            "slot": slot,
        }
        self._place(step, call)
        self.steps.append(step)
        self.steps.append(self._respond(slot))
        return self.steps

    def _inputs(self, dependant: Dependant, where: str) -> Slots:
        """The steps that get what a callable needs; its arguments."""
        args: Slots = []
        for index, sub in enumerate(dependant.dependencies):
            inner = f"{where}{sub.name or index}/"
            slot = self._dependency(sub, inner)
            if sub.name is not None:
                args.append([sub.name, slot])
        for place in ("path", "query", "header", "cookie"):
            for field in getattr(dependant, f"{place}_params"):
                args.append([field.name, self._param(place, field, where)])
        if dependant.body_params:
            args += self._body(dependant.body_params, where)
        args += self._specials(dependant, where)
        return args

    # ---- dependencies ----

    def _always_calls(self, dependant: Dependant) -> bool:
        return any(not sub.use_cache or self._always_calls(replaced(sub, self.overrides)) for sub in dependant.dependencies)

    def _dependency(self, sub: Dependant, where: str) -> int:
        used = replaced(sub, self.overrides)
        cache = self.caches.setdefault(cache_key(sub), len(self.caches))
        slot = self._slot()
        cached: Step | None = None
        if sub.use_cache and cache in self._seen:
            cached = {"op": "cached", "cache": cache, "slot": slot, "jump": 0}
        # What is inside is passed over with the call, unless some of it insists.
        inside = cached is not None and self._always_calls(used)
        if cached is not None and not inside:
            self.steps.append(cached)
        mark = self.marks
        self.marks += 1
        self.steps.append({"op": "mark", "mark": mark})
        args = self._inputs(used, where)
        if cached is not None and inside:
            self.steps.append(cached)
        self._call(sub, used, args, slot, mark, cache)
        if cached is not None:
            cached["jump"] = len(self.steps)
        self._seen.add(cache)
        return slot

    def _call(self, sub: Dependant, used: Dependant, args: Slots, slot: int, mark: int, cache: int) -> None:
        call: Any = used.call
        name = call_name(call)
        if used.concurrency is not None:
            call = limited(call, mode_of(call), used.concurrency)
        mode = mode_of(call)
        step: Step = {
            "op": "call",
            "name": name,
            "object": self.objects.add(f"call {self.label} {name}", call),
            "mode": mode,
            "args": args,
            "slot": slot,
            "mark": mark,
            "cache": cache,
            "use_cache": sub.use_cache,
            "function_scope": is_any_generator(call) and sub.scope == "function",
        }
        self._place(step, call)
        self.steps.append(step)

    def _place(self, step: Step, call: Any) -> None:
        """Say where a call may run that has no coroutine."""
        if step["mode"] not in ("sync", "gen"):
            return
        step["place"] = self.places.of(call, self.route.sync_handlers)
        if self.route.sync_handlers is not None:
            step["sync"] = self.route.sync_handlers

    # ---- parameters ----

    def _defaults(self, step: Step, field: ModelField, what: str) -> None:
        info = field.field_info
        step["validate_default"] = bool(info.validate_default)
        if info.is_required():
            step["default_mode"] = "required"
        elif info.default_factory is not None:
            step["default_mode"] = "call"
            step["object2"] = self._object("factory", what, DefaultValue(field))
        else:
            step["default_mode"] = "const" if is_constant(info.default) else "copy"
            step["object2"] = self._object("default", what, info.default)

    def _param(self, place: str, field: ModelField, where: str) -> int:
        what = f"{where}{place} {field.name}"
        slot = self._slot()
        aliases = param_aliases(field)
        repeated = is_sequence(field.field_info.annotation)
        odd = repeated and (place in ("path", "cookie") or is_json_field(field))
        # Found in lower case, but named in errors as it was declared.
        odd = odd or (place == "header" and aliases[0][1] != aliases[0][1].lower())
        if param_model(field) is not None or len(aliases) > 1 or odd:
            reader = ParamReader(field, place)
            self.steps.append(
                {
                    "op": "pyparam",
                    "in": place,
                    "name": field.name,
                    "slot": slot,
                    "object": self._object("reader", what, reader),
                }
            )
            return slot
        alias = aliases[0][1]
        step: Step = {
            "op": "param",
            "in": place,
            "name": field.name,
            "alias": alias,
            "slot": slot,
            "sequence": repeated,
            "fast": "none",
            "object": self._object("validator", what, _adapter(field).validator),
            "object3": self._object("field", what, FieldRef(field, (place, alias))),
        }
        if not repeated:
            step["fast"] = self._fast(place, alias, field)
        self._defaults(step, field, what)
        self.steps.append(step)
        return slot

    def _fast(self, place: str, alias: str, field: ModelField) -> str:
        kind = fast_kind(field._type_adapter.core_schema)
        if place != "path":
            return kind
        convertor = self._convertors.get(alias)
        if convertor in ("StringConvertor", "PathConvertor"):
            return kind
        # The convertor has made a number of it before the type is looked at.
        return kind if convertor == "IntegerConvertor" and kind == "int" else "none"

    def _body(self, fields: list[ModelField], where: str) -> Slots:
        embed = self.route._embed_body_fields
        single = len(fields) == 1 and not embed and not should_embed(fields)
        several = any(len(param_aliases(field)) > 1 for field in fields)
        args: Slots = [[field.name, self._slot()] for field in fields]
        is_form = any(isinstance(field.field_info, params.Form) for field in fields)
        if self.body != "json" or is_form or (several and not single):
            reader = BodyReader(fields, embed)
            what = where + "body " + " ".join(field.name for field in fields)
            obj = self._object("reader", what, reader)
            self.steps.append({"op": "pybody", "object": obj, "args": args})
            return args
        for field, (_, slot) in zip(fields, args, strict=True):
            what = f"{where}body {field.name}"
            alias = param_aliases(field)[0][0]
            loc = ("body",) if single else ("body", alias)
            adapter = _adapter(field)
            step: Step = {
                "op": "body",
                "name": field.name,
                "alias": alias,
                "slot": slot,
                "embed": not single,
                "direct": single and is_direct(adapter.core_schema),
                "object": self._object("validator", what, adapter.validator),
                "object3": self._object("field", what, FieldRef(field, loc)),
            }
            self._defaults(step, field, what)
            self.steps.append(step)
        return args

    def _specials(self, dependant: Dependant, where: str) -> Slots:
        args: Slots = []
        for what, name in (
            ("connection", dependant.http_connection_param_name),
            ("request", dependant.request_param_name),
            ("background", dependant.background_tasks_param_name),
            ("response", dependant.response_param_name),
            ("scopes", dependant.security_scopes_param_name),
        ):
            if not name:
                continue
            slot = self._slot()
            step: Step = {"op": "special", "what": what, "slot": slot}
            if what == "scopes":
                scopes = oauth_scopes(dependant)
                step["object"] = self._object("scopes", f"{where}{name}", scopes)
            self.steps.append(step)
            args.append([name, slot])
        return args

    # ---- the answer ----

    def _respond(self, slot: int) -> Step:
        route = self.route
        step: Step = {"op": "respond", "slot": slot}
        if is_any_generator(route.dependant.call):
            responder = stream_responder(route)
            step["mode"] = "python"
            step["object2"] = self._object("responder", "stream", responder)
            return step
        field = route.response_field
        is_default = isinstance(route.answer_class, DefaultPlaceholder)
        response_class = given(route.answer_class)
        if field is not None:
            adapter = _adapter(field, "response model")
            step["validate"] = True
            step["mode"] = "field_json" if is_default else "class"
            step["object"] = self._object("validator", "response", adapter.validator)
            step["object3"] = self._object("serializer", "response", adapter.serializer)
            step["object4"] = self._object("options", "response", self._dump_options(is_default))
        elif is_default and response_class is JSONResponse:
            step["mode"] = "encoder"
        else:
            step["mode"] = "class"
        if step["mode"] == "class":
            name = f"class {call_name(response_class)}"
            step["object2"] = self._object("response", name, response_class)
        return step

    def _dump_options(self, to_json: bool) -> dict[str, Any]:
        route = self.route
        options: dict[str, Any] = {"by_alias": route.response_model_by_alias}
        if not to_json:
            options["mode"] = "json"  # plain data, for the response class to encode
        for name in ("include", "exclude"):
            value = getattr(route, f"response_model_{name}")
            if value is not None:
                options[name] = value
        for name in ("exclude_unset", "exclude_defaults", "exclude_none"):
            if getattr(route, f"response_model_{name}"):
                options[name] = True
        return options
