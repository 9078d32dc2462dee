"""From pydantic's errors to our problems: a JSON pointer into what the caller sent, and words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import pydantic
from pydantic_core import ErrorDetails

from mailer.errors import Invalid, Problem

M = TypeVar("M", bound=pydantic.BaseModel)

_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_unicode": "is not valid Unicode (lone surrogate)",
    "timezone_aware": "needs an offset, e.g. 2026-11-24T12:00:00Z",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "string_type": "must be text",
    "datetime_from_date_parsing": "must be an RFC 3339 time with an offset, e.g. 2026-11-24T12:00:00Z",
    "datetime_parsing": "must be an RFC 3339 time with an offset, e.g. 2026-11-24T12:00:00Z",
    "too_short": "may not be empty",
    "too_long": "is too long, at most {max_length} are allowed",
    "string_pattern_mismatch": "has characters that are not allowed here",
}

# More than that nobody reads, and an answer must not be larger than what was sent.
MOST = 100

_LENGTHS = {"string_too_short", "string_too_long"}


def escape(token: str) -> str:
    """Return one reference token of a JSON pointer (RFC 6901 section 3)."""
    return token.replace("~", "~0").replace("/", "~1")


def parsed(model: type[M], given: Mapping[str, object], **options: Any) -> M:
    """Return what was given as a model; a text where a number is wanted counts as one.

    Raises:
        Invalid: names every wrong field.
    """
    try:
        return model.model_validate(given, **options)
    except pydantic.ValidationError as error:
        raise Invalid(problems(error, given)) from None


def problems(error: pydantic.ValidationError, given: Mapping[str, object]) -> tuple[Problem, ...]:
    """Return every problem (the first hundred) of a failed validation of `given`, each pointing at a place in it."""
    found = error.errors(include_url=False, include_input=False)[:MOST]
    return tuple(_problem(detail, given) for detail in found)


def _problem(detail: ErrorDetails, given: Mapping[str, object]) -> Problem:
    context = detail.get("ctx", {})
    at = context.get("at")
    # One code for text and lists, whichever check came first.
    code = detail["type"].removeprefix("string_") if detail["type"] in _LENGTHS else detail["type"]
    if context.get("class_name") == "Address":
        return Problem(
            _pointer(detail["loc"], given), "must be an address: text, or an object with email and name", code
        )
    words = _WORDS[code].format_map(context) if code in _WORDS else detail["msg"]
    return Problem(at if isinstance(at, str) else _pointer(detail["loc"], given), words, code)


def _pointer(loc: tuple[int | str, ...], given: object) -> str:
    pointer, here = "", given
    for step in loc:
        if step == "[key]":
            continue
        if isinstance(here, Mapping) and isinstance(step, int):
            continue  # one object where a list of them may stand
        if isinstance(here, Mapping):
            here = here.get(step)
        elif isinstance(here, list | tuple) and isinstance(step, int):
            here = here[step] if step < len(here) else None
        elif here is not None:
            # The caller wrote a shorthand here (one address for a list, text for an object): point at that.
            break
        pointer += "/" + escape(_printable(str(step)))
    return pointer


def _printable(step: str) -> str:
    # An unknown field is named by its sender, who may have put anything into the name.
    return step.encode("utf-8", "replace").decode()[:100]
