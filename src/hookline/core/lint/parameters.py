"""Do the constants among a component's parameters fit its input schema? One finding per problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry

from hookline.core.lint.report import Path, Report, show, type_name
from hookline.core.lint.unions import TaggedUnion, tagged_union
from hookline.core.units import UnitError, parse_duration, parse_size

__all__ = ["ParameterChecker", "closed", "wanted_type"]

_TYPE_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}
_BOUNDS: Mapping[str, str] = {
    "minimum": "must be at least {limit}",
    "maximum": "must be at most {limit}",
    "exclusiveMinimum": "must be greater than {limit}",
    "exclusiveMaximum": "must be less than {limit}",
    "multipleOf": "must be a multiple of {limit}",
    "minLength": "must have at least {limit} characters",
    "maxLength": "must have at most {limit} characters",
    "minItems": "must have at least {limit} items",
    "maxItems": "must have at most {limit} items",
    "minProperties": "must have at least {limit} members",
    "maxProperties": "must have at most {limit} members",
    "uniqueItems": "must not have the same item twice",
    "format": "must be written as a {limit}",
}


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())

    def check(parse: Callable[[str], object]) -> Callable[[object], bool]:
        def is_written_so(value: object) -> bool:
            if isinstance(value, str):
                parse(value)
            return True

        return is_written_so

    checker.checks("duration", raises=UnitError)(check(parse_duration))
    checker.checks("size", raises=UnitError)(check(parse_size))
    return checker


def closed(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of parameters, refusing unknown names unless it says that it takes them."""
    if "properties" in schema and "additionalProperties" not in schema:
        return {**schema, "additionalProperties": False}
    return schema


class ParameterChecker:
    """Checks parameters; the validator of each schema is made once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._validators: dict[int, tuple[Mapping[str, Any], Any]] = {}
        self._formats = _formats()

    def check(
        self,
        values: Mapping[str, Any],
        schema: Mapping[str, Any],
        path: Path,
        owner: str,
        hints: Mapping[str, str] | None = None,
    ) -> None:
        """Check parameters.

        Args:
            values: The parameters as written, expressions included.
            schema: The object schema they must satisfy once rendered.
            path: Where they stand.
            owner: What takes them, for messages.
            hints: What to do about parameters that are not taken, where it is known.
        """
        required = schema.get("required", ())
        # Null for an optional parameter means that it is left out.
        present = {name: value for name, value in values.items() if value is not None or name in required}
        found = _relevant(self._validator(schema).iter_errors(present))
        for error in found:
            self._explain(error, path, owner, hints or {})
        self._secrets(values, schema, path)

    def _validator(self, schema: Mapping[str, Any]) -> Any:
        known = self._validators.get(id(schema))
        if known is None:
            validator = Draft202012Validator(
                closed(schema), registry=Registry(), format_checker=self._formats
            )
            # The schema is kept with it, so that its id stays its own.
            known = self._validators[id(schema)] = (schema, validator)
        return known[1]

    def _explain(self, error: ValidationError, path: Path, owner: str, hints: Mapping[str, str]) -> None:
        place = path + tuple(error.absolute_path)
        value, limit = error.instance, error.validator_value
        what = _named(place, path) or f"the parameters of {owner}"
        described = _description(error)
        match error.validator:
            case "required":
                for name in limit:
                    if name not in value:
                        where = owner if len(place) == len(path) else what
                        schema = error.schema.get("properties", {}).get(name, {})
                        hint = schema.get("description", "") if isinstance(schema, Mapping) else ""
                        self._report.add("D406", f"{where} needs the parameter `{name}`", place, hint=hint)
            case "additionalProperties":
                is_top = len(place) == len(path)
                self._unknown(error, place, owner if is_top else what, hints if is_top else {})
            case "type":
                wanted = wanted_type([limit] if isinstance(limit, str) else limit)
                message = f"{what} must be {wanted}, this is {type_name(value)}"
                self._report.add("D408", message, place, hint=described)
            case "enum" | "const":
                allowed = list(limit) if error.validator == "enum" else [limit]
                self._choice(value, allowed, what, place)
            case "anyOf" | "oneOf":
                self._union(error, what, place, described)
            case validator if validator in _BOUNDS:
                message = f"{what} {_BOUNDS[str(validator)].format(limit=limit)}, this is {show(value)}"
                self._report.add("D409", message, place, hint=described)
            case _:
                self._report.add("D409", f"{what} cannot be {show(value)}", place, hint=described)

    def _unknown(self, error: ValidationError, place: Path, owner: str, hints: Mapping[str, str]) -> None:
        known = error.schema.get("properties", {})
        for name in error.instance:
            if name not in known:
                otherwise = f"it takes {', '.join(known)}" if known else "it takes none"
                hint = hints.get(name) or self._report.suggest(name, known, otherwise)
                self._report.add(
                    "D407", f"{owner} has no parameter {show(name)}", (*place, name), hint=hint, at_key=True
                )

    def _choice(self, value: Any, allowed: Sequence[Any], what: str, place: Path) -> None:
        texts = [item for item in allowed if isinstance(item, str)]
        otherwise = "use one of " + ", ".join(show(item) for item in allowed[:20])
        hint = self._report.suggest(value, texts, otherwise) if isinstance(value, str) else otherwise
        self._report.add("D409", f"{what} cannot be {show(value)}", place, hint=hint)

    def _union(self, error: ValidationError, what: str, place: Path, described: str) -> None:
        """None of several forms fits: explain by types or choices, not by listing every form's failure."""
        tagged = tagged_union(error.validator_value)
        if tagged is not None and isinstance(error.instance, dict):
            self._tag(error.instance, tagged, what, place)
            return
        kinds: list[str] = []
        choices: list[Any] = []
        for option in error.validator_value:
            if isinstance(option, Mapping):
                kind = option.get("type", ())
                kinds.extend([kind] if isinstance(kind, str) else kind)
                choices.extend([option["const"]] if "const" in option else option.get("enum", ()))
        if choices and not any(isinstance(error.instance, _PYTHON_TYPES.get(kind, ())) for kind in kinds):
            self._choice(error.instance, choices, what, place)
        elif kinds:
            message = f"{what} must be {wanted_type(kinds)}, this is {type_name(error.instance)}"
            self._report.add("D408", message, place, hint=described)
        else:
            self._report.add("D409", f"{what} cannot be {show(error.instance)}", place, hint=described)

    def _tag(self, value: Mapping[str, Any], union: TaggedUnion, what: str, place: Path) -> None:
        """The member that says which form is meant is missing or says nothing that is known."""
        allowed = f"use one of {', '.join(show(each) for each in union.values[:20])}"
        if union.tag not in value:
            self._report.add("D406", f"{what} needs the parameter `{union.tag}`", place, hint=allowed)
            return
        given = value[union.tag]
        names = [each for each in union.values if isinstance(each, str)]
        near = self._report.suggest(given, names) if isinstance(given, str) else ""
        hint = f"{near} {allowed}" if near else allowed
        message = f"the `{union.tag}` of {what} cannot be {show(given)}"
        self._report.add("D409", message, (*place, union.tag), hint=hint)

    def _secrets(self, values: Mapping[str, Any], schema: Mapping[str, Any], path: Path) -> None:
        properties = schema.get("properties", {})
        for name, value in values.items():
            field = properties.get(name)
            if not isinstance(field, Mapping):
                continue
            if field.get("x-secret") and isinstance(value, str) and value and "{{" not in value:
                hint = "keep it in a connection: definitions are stored in Git and shown to everyone"
                self._report.add(
                    "D410", f"`{name}` is a secret and stands in the definition", (*path, name), hint=hint
                )
            elif isinstance(value, dict) and "properties" in field:
                self._secrets(value, field, (*path, name))


_PYTHON_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}


def _relevant(errors: Iterable[ValidationError]) -> list[ValidationError]:
    """The errors that stay errors whatever the expressions give, unions narrowed to the form meant."""
    found: list[ValidationError] = []
    for error in errors:
        if _depends_on_expression(error):
            continue
        if error.validator not in ("anyOf", "oneOf") or not error.context:
            found.append(error)
            continue
        forms: dict[Any, list[ValidationError]] = {}
        for inner in error.context:
            forms.setdefault(inner.relative_schema_path[0], []).append(inner)
        relevant = {place: _relevant(form) for place, form in forms.items()}
        remaining = list(relevant.values())
        if not all(remaining):
            continue  # One form fits once its expressions are rendered.
        tagged = tagged_union(error.validator_value)
        if tagged is not None and isinstance(error.instance, dict):
            places = tagged.places(error.instance.get(tagged.tag))
            found.extend(relevant[places[0]] if len(places) == 1 else [error])
            continue
        meant = [form for form in remaining if not any(_is_mismatch(inner) for inner in form)]
        if len(meant) == 1:
            found.extend(meant[0])
        else:
            found.append(error)
    return found


def _is_mismatch(error: ValidationError) -> bool:
    """The value is of another form altogether, rather than a faulty example of this one."""
    return (
        error.validator in ("type", "const", "enum")
        and len(error.relative_path) <= 1
        and (not error.relative_path or error.validator == "const")
    )


def _depends_on_expression(error: ValidationError) -> bool:
    value = error.instance
    if isinstance(value, str):
        if "{{" not in value:
            return False
        inner = value.strip()
        is_single = (
            inner == value and inner.startswith("{{") and inner.find("{{", 2) < 0 and inner.endswith("}}")
        )
        if is_single or error.validator != "type":
            return True
        # Text around an expression stays text, so it can be nothing else.
        return "string" in (
            [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
        )
    if error.validator in ("not", "contains", "uniqueItems", "const", "enum", "if", "oneOf", "anyOf"):
        is_narrow = error.validator in ("oneOf", "anyOf") and bool(error.context)
        return not is_narrow and _holds_expression(value)
    return False


def _holds_expression(value: Any) -> bool:
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str) and "{{" in current:
            return True
        if isinstance(current, dict):
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
    return False


def _named(place: Path, path: Path) -> str:
    """The parameter a place belongs to, ``""`` for the parameters as a whole."""
    names = [part for part in place[len(path) :] if isinstance(part, str)]
    if not names:
        return ""
    return f"`{names[-1]}`" if place[-1] == names[-1] else f"item {place[-1]} of `{names[-1]}`"


def wanted_type(kinds: Iterable[str]) -> str:
    """The types of JSON Schema in words: ``text, a number or null``."""
    names = list(dict.fromkeys(_TYPE_NAMES.get(kind, kind) for kind in kinds))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _description(error: ValidationError) -> str:
    described = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
    return described if isinstance(described, str) else ""
