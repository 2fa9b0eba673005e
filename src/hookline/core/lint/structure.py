"""Is every key known, present, of the right type and in range? All of it read from the grammar."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from hookline.core.expressions import RESERVED_NAMES, ExpressionError, compile_template
from hookline.core.grammar import (
    IDENTIFIER,
    RETRY,
    ROOTS,
    SLUG,
    STEP_KEYS,
    STEP_KINDS,
    TRIGGER,
    WAIT,
    WORKFLOW,
    Key,
    Shape,
    kinds_of,
)
from hookline.core.lint.author_schemas import schema_problems
from hookline.core.lint.report import Path, Report, show, type_name
from hookline.core.units import UnitError, format_duration, parse_duration, parse_money

__all__ = ["check_structure"]

# A missing promise about the end of waiting has a code of its own.
_MISSING = {"on_timeout": "D501", "timeout": "D501", "max_iterations": "D503"}
_HINTS = {
    "on_timeout": "say what happens when nobody answers: no answer is never a yes",
    "timeout": 'add for example "timeout": "1d"',
    "max_iterations": 'add for example "max_iterations": 100',
}
# Letters that look alike within ASCII, after Unicode TR39.
_SKELETON = str.maketrans({"I": "l", "1": "l", "0": "O", "m": "rn"})
_MAX_NAME = 64
_SPELT_OUT = re.compile(r"([0-9]{1,9}) *([smhd])[a-z]{0,9}", re.ASCII)


def check_structure(value: Any, report: Report) -> None:
    """Check a definition against the grammar."""
    checker = _Structure(report)
    checker.shape(value, WORKFLOW, ())


class _Structure:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._step_ids: dict[str, Path] = {}
        self._trigger_ids: set[str] = set()
        self._skeletons: dict[str, str] = {}

    def shape(self, value: Any, shape: Shape, path: Path) -> None:
        """An object with the keys of a shape."""
        if not isinstance(value, dict):
            self._wrong_type(value, f"{_article(shape)} is an object", path, _as_object(value, shape))
            return
        for key in value:
            if key not in shape.keys:
                self._unknown_key(key, shape, path)
        self._one_of(value, shape, path)
        for key in shape.keys.values():
            if key.name in value:
                self.value(value[key.name], key, (*path, key.name))
            elif key.required:
                code = _MISSING.get(key.name, "D202")
                hint = _HINTS.get(key.name, key.description)
                self._report.add(code, f"{_article(shape)} needs the key `{key.name}`", path, hint=hint)

    def _one_of(self, value: Mapping[str, Any], shape: Shape, path: Path) -> None:
        for keys, is_needed in ((shape.exactly_one, True), (shape.at_most_one, False)):
            present = [key for key in keys if key in value]
            names = ", ".join(f"`{key}`" for key in keys)
            if len(present) > 1:
                self._report.add(
                    "D207",
                    f"{' and '.join(f'`{key}`' for key in present)} exclude each other",
                    path,
                    hint="keep one",
                )
            elif is_needed and keys and not present:
                self._report.add("D202", f"{_article(shape)} needs one of {names}", path)

    def _unknown_key(self, key: str, shape: Shape, path: Path) -> None:
        hint = self._report.suggest(key, shape.keys, f"known keys: {', '.join(shape.keys)}")
        if _is_step(shape) and key in STEP_KEYS:
            kinds = ", ".join(f"`{kind}`" for kind, other in STEP_KINDS.items() if key in other.keys)
            hint = f"it belongs to a step with {kinds}"
        self._report.add(
            "D201", f"{_article(shape)} has no key {show(key)}", (*path, key), hint=hint, at_key=True
        )

    def value(self, value: Any, key: Key, path: Path) -> None:
        """A value of a key."""
        if self._report.is_full:
            return
        match key.type:
            case "text" | "template" | "reference":
                self._text(value, key, path)
            case "condition" | "list":
                self._expression_or(value, key, path)
            case "parameters":
                self._is(value, dict, "an object", path)
            case "values" | "branches":
                self._named(value, key, path)
            case "texts":
                if self._is(value, list, "a list of texts", path):
                    if not value:
                        self._report.add("D213", f"`{key.name}` is empty", path, hint="name at least one")
                    for index, item in enumerate(value):
                        self._is(item, str, "text", (*path, index))
            case "duration":
                self._duration(value, key, path)
            case "durations":
                for place, item in _each(value, path):
                    self._duration(item, key, place)
                if value == []:
                    self._report.add("D213", f"`{key.name}` is empty", path, hint="remove the key")
            case "money":
                self._money(value, path)
            case "integer" | "number":
                self._number(value, key, path)
            case "slug" | "identifier":
                self._name(value, key, path)
            case "choice":
                self._choice(value, key, path)
            case "choices":
                if self._is(value, list, "a list", path):
                    for index, item in enumerate(value):
                        self._choice(item, key, (*path, index))
            case "schema":
                if self._is(value, dict, "a JSON Schema (an object)", path):
                    self._schema(value, path)
            case "steps":
                self._steps(value, key, path)
            case "object":
                if not (key.template and isinstance(value, str)) and key.shape is not None:
                    self.shape(value, key.shape, path)
            case "objects":
                if self._is(value, list, "a list", path) and key.shape is not None:
                    if not value:
                        self._report.add("D213", f"`{key.name}` is empty", path, hint="remove the key")
                    for index, item in enumerate(value):
                        self.shape(item, key.shape, (*path, index))
            case "value" | "any":
                pass

    def _schema(self, value: dict[str, Any], path: Path) -> None:
        for problem in schema_problems(value):
            self._report.add("D214", problem.message, (*path, *problem.path), hint=problem.hint)
        if path == ("inputs",) and value.get("type", "object") != "object":
            message = "the inputs must be described as an object"
            self._report.add("D214", message, (*path, "type"), hint='write "type": "object"')

    def _steps(self, value: Any, key: Key, path: Path) -> None:
        if not self._is(value, list, "a list of steps", path):
            return
        if not value and key.required and key.name != "then":
            self._report.add("D213", f"`{key.name}` holds no step", path, hint="add a step")
        for index, step in enumerate(value):
            self._step(step, (*path, index))

    def _step(self, step: Any, path: Path) -> None:
        if not isinstance(step, dict):
            self._wrong_type(step, "a step is an object", path)
            return
        kinds = kinds_of(step)
        if len(kinds) == 1:
            self.shape(step, STEP_KINDS[kinds[0]], path)
        elif kinds:
            names = " and ".join(f"`{kind}`" for kind in kinds)
            self._report.add(
                "D207", f"a step is of one kind, this has {names}", path, hint="make them two steps"
            )
        else:
            near = (self._report.suggest(key, STEP_KINDS) for key in step if key not in STEP_KEYS)
            hint = next((found for found in near if found), "")
            kinds_text = ", ".join(f"`{kind}`" for kind in STEP_KINDS)
            self._report.add(
                "D206", "the step does not say what it does", path, hint=hint or f"add one of {kinds_text}"
            )

    def _named(self, value: Any, key: Key, path: Path) -> None:
        if not self._is(value, dict, "an object", path):
            return
        if not value and key.required:
            self._report.add("D213", f"`{key.name}` is empty", path, hint="add a member")
        for name, member in value.items():
            below = (*path, name)
            if key.identifiers and not IDENTIFIER.fullmatch(name):
                self._report.add(
                    "D208", f"{show(name)} is not a name", below, hint=_identifier_hint(name), at_key=True
                )
            if key.type == "branches" and self._is(member, list, "a list of steps", below):
                for index, step in enumerate(member):
                    self._step(step, (*below, index))

    def _text(self, value: Any, key: Key, path: Path) -> None:
        if self._is(value, str, "text", path) and not value and key.type == "reference":
            self._report.add("D203", f"`{key.name}` is empty", path, hint=key.description)

    def _expression_or(self, value: Any, key: Key, path: Path) -> None:
        """A literal boolean or list, or a text that is exactly one expression."""
        wanted = "a list" if key.type == "list" else "true or false"
        if isinstance(value, list if key.type == "list" else bool):
            return
        if not isinstance(value, str):
            self._wrong_type(value, f"expected an expression or {wanted}", path)
            return
        try:
            template = compile_template(value)
        except ExpressionError:
            return  # The check of references reports it.
        if not template.is_single:
            what = "text" if template.is_constant else "text with expressions in it"
            hint = f'write one expression: "{{{{ {value.strip()[:40]} }}}}"' if template.is_constant else ""
            self._report.add(
                "D215",
                f"`{key.name}` is {what}, and never {wanted}",
                path,
                hint=hint or "write everything inside one pair of {{ and }}",
            )

    def _duration(self, value: Any, key: Key, path: Path) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            message = f"{show(value)} has no unit"
            self._report.add("D211", message, path, hint=f'write "{value}s" if you mean seconds')
            return
        if not self._is(value, str, "a duration", path):
            return
        try:
            seconds = parse_duration(value)
        except UnitError as error:
            hint = "a duration cannot hold an expression" if "{{" in value else error.hint
            self._report.add("D211", error.message, path, hint=hint)
            return
        if key.minimum is not None and seconds < key.minimum:
            least = format_duration(key.minimum)
            self._report.add("D204", f"{show(value)} is too short", path, hint=f"use at least {least}")

    def _money(self, value: Any, path: Path) -> None:
        if not self._is(value, str, 'an amount such as "0.50 usd"', path):
            return
        try:
            money = parse_money(value)
        except UnitError as error:
            self._report.add("D212", error.message, path, hint=error.hint)
            return
        if money.currency != "usd":
            hint = "costs are counted in US dollars: write usd"
            self._report.add("D212", f"{show(value)} is not in US dollars", path, hint=hint)

    def _number(self, value: Any, key: Key, path: Path) -> None:
        if key.template and isinstance(value, str) and "{{" in value:
            return
        wanted = "a whole number" if key.type == "integer" else "a number"
        is_number = isinstance(value, int if key.type == "integer" else int | float)
        if not is_number or isinstance(value, bool):
            self._wrong_type(value, f"expected {wanted}", path)
            return
        if (key.minimum is not None and value < key.minimum) or (
            key.maximum is not None and value > key.maximum
        ):
            hint = f"use {wanted} from {key.minimum} to {key.maximum}"
            self._report.add("D204", f"{show(value)} is out of range", path, hint=hint)

    def _choice(self, value: Any, key: Key, path: Path) -> None:
        allowed = [choice.value for choice in key.choices]
        if value in allowed:
            return
        code = "D504" if key.type == "choices" else "D205"
        otherwise = "use one of " + ", ".join(f'"{name}"' for name in allowed)
        hint = self._report.suggest(value, allowed, otherwise) if isinstance(value, str) else otherwise
        self._report.add(code, f"{show(value)} is not a possible value of `{key.name}`", path, hint=hint)

    def _name(self, value: Any, key: Key, path: Path) -> None:
        if not self._is(value, str, "text", path):
            return
        if key.type == "slug":
            if not SLUG.fullmatch(value):
                hint = "use lower-case letters, digits and hyphens, at most 64"
                slug = re.sub(r"[^a-z0-9]+", "-", value.lower()[:_MAX_NAME]).strip("-")
                hint = f'{hint}: "{slug}"' if slug else hint
                self._report.add("D208", f"{show(value)} is not a workflow name", path, hint=hint)
            return
        if not IDENTIFIER.fullmatch(value):
            self._bad_identifier(value, path)
        elif key.name == "as":
            if value in RESERVED_NAMES or (value in ROOTS and value != "item"):
                message = f"{show(value)} already means something else in expressions"
                self._report.add("D208", message, path, hint="choose another name")
        elif path[0] in ("trigger", "triggers"):
            if value in self._trigger_ids:
                self._report.add(
                    "D209", f"two triggers have the id {show(value)}", path, hint="choose another id"
                )
            self._trigger_ids.add(value)
        else:
            self._step_id(value, path)

    def _step_id(self, value: str, path: Path) -> None:
        if value in self._step_ids:
            first = "/" + "/".join(map(str, self._step_ids[value][:-1]))
            hint = f"the first is at {first}; choose another id"
            self._report.add("D209", f"two steps have the id {show(value)}", path, hint=hint)
            return
        self._step_ids[value] = path
        similar = self._skeletons.setdefault(value.translate(_SKELETON), value)
        if similar != value:
            message = f"the ids {show(value)} and {show(similar)} look alike"
            self._report.add("D210", message, path, hint="choose ids that a reader can tell apart")

    def _bad_identifier(self, value: str, path: Path) -> None:
        plain = unicodedata.normalize("NFKC", value[: _MAX_NAME + 1])
        has_ascii = any(character.isascii() and character.isalpha() for character in value)
        if not value.isascii() and (plain.isascii() or has_ascii):
            message = f"{show(value)} mixes letters that look like others"
            self._report.add("D210", message, path, hint="use the letters a-z, digits and _ only")
            return
        self._report.add("D208", f"{show(value)} is not a name", path, hint=_identifier_hint(value))

    def _is(self, value: Any, kind: type, wanted: str, path: Path) -> bool:
        if isinstance(value, kind):
            return True
        self._wrong_type(value, f"expected {wanted}", path)
        return False

    def _wrong_type(self, value: Any, message: str, path: Path, hint: str = "") -> None:
        hint = "remove the key to leave it open" if value is None else hint
        self._report.add("D203", f"{message}, this is {type_name(value)}", path, hint=hint)


def _each(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The members of a list, or the one value that stands in its place."""
    if isinstance(value, list):
        yield from (((*path, index), item) for index, item in enumerate(value))
    else:
        yield path, value


def _as_object(value: Any, shape: Shape) -> str:
    """What somebody meant who wrote a number or text where an object belongs."""
    if shape is RETRY and isinstance(value, int) and not isinstance(value, bool):
        return f'write {{"max_attempts": {value}}}'
    if shape is not WAIT:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f'write {{"for": "{value}s"}} if you mean seconds'
    duration = _SPELT_OUT.fullmatch(value) if isinstance(value, str) else None
    return f'write {{"for": "{duration[1]}{duration[2]}"}}' if duration else 'write for example {"for": "5m"}'


def _article(shape: Shape) -> str:
    if _is_step(shape):
        return f"a step with `{shape.name}`"
    if shape is WORKFLOW or shape is TRIGGER:
        return f"a {shape.name}"
    return f"`{shape.name}`"


def _is_step(shape: Shape) -> bool:
    # The object under `wait` has the name of its step.
    return STEP_KINDS.get(shape.name) is shape


def _identifier_hint(value: str) -> str:
    hint = "use letters, digits and _, not starting with a digit, at most 64"
    fixed = re.sub(r"[^A-Za-z0-9_]+", "_", value[:_MAX_NAME], flags=re.ASCII).strip("_")
    if fixed and fixed[0].isdigit():
        fixed = f"_{fixed}"[:_MAX_NAME]
    return f'{hint}: "{fixed}"' if fixed else hint
