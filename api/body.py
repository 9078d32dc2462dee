"""What came in as a body: one JSON object or a text, or an error that says why it is none."""

from __future__ import annotations

import json
import re

import flask
from pydantic_core import from_json

from api.errors import NotJson, WrongContentType
from mailer.errors import Invalid, Problem

# More fields than that in one object are no request of ours, and each of them would be looked at.
FIELDS = 1_000

# Strings, each as a whole, and what separates the parts of everything else. Possessive: nothing is looked at twice.
_PARTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{\[,]', re.DOTALL)
PARTS = 2_000_000

_CHARSETS = ("utf-8", "utf8", "us-ascii")


def fields() -> dict[str, object]:
    """Return the fields of the request's body.

    Raises:
        WrongContentType: it is not declared as JSON in UTF-8, or is compressed.
        NotJson: it is no JSON object, or one that two readers could read differently.
    """
    body = _raw(is_right=flask.request.is_json)
    _bounded(body)
    try:
        # A parser with a bound on depth; it refuses bad UTF-8 and lone surrogates too.
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise NotJson(str(error)) from None
    if not isinstance(found, dict):
        raise NotJson("it is JSON, but no object")
    _few(len(found))
    # Of two fields with one name it keeps the last, somebody else's parser perhaps the first. Numbers
    # are not looked at a second time.
    json.loads(body.decode(), object_pairs_hook=_once, parse_int=len, parse_float=len)
    return found


def text(media_type: str, *, most: int) -> str:
    """Return the request's body as text.

    Raises:
        WrongContentType: it is not declared as this in UTF-8, or is compressed.
        RequestEntityTooLarge: it has more than `most` bytes.
        Invalid: it is not UTF-8, or holds NUL.
    """
    flask.request.max_content_length = most
    body = _raw(is_right=flask.request.mimetype == media_type)
    try:
        found = body.decode()
    except UnicodeDecodeError:
        raise Invalid((Problem("", "is not UTF-8", "encoding"),)) from None
    if "\0" in found:
        raise Invalid((Problem("", "holds NUL", "control_character"),))
    return found


def _raw(*, is_right: bool) -> bytes:
    request = flask.request
    if not is_right or request.mimetype_params.get("charset", "utf-8").lower() not in _CHARSETS:
        raise WrongContentType
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        # A megabyte of gzip can be a gigabyte.
        raise WrongContentType("no Content-Encoding is taken")
    return request.get_data(cache=False)


def _bounded(body: bytes) -> None:
    """Raise NotJson if it has too many parts, before anything is made of them.

    An empty object is two bytes here and a hundred in memory.
    """
    for number, _ in enumerate(_PARTS.finditer(body)):
        if number > PARTS:
            raise NotJson(f"it has more than {PARTS} parts")


def _once(pairs: list[tuple[str, object]]) -> None:
    """Raise NotJson if a name stands twice in one object."""
    _few(len(pairs))
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise NotJson(f"the field {json.dumps(name[:100])} is given more than once")
        seen.add(name)


def _few(count: int) -> None:
    if count > FIELDS:
        raise NotJson(f"an object has {count} fields, at most {FIELDS} are allowed")
