"""The JSON body of a request."""

from __future__ import annotations

import flask
from pydantic_core import from_json

from api.errors import NotJson, WrongContentType


def fields() -> dict[str, object]:
    """Return the JSON object that the request brings."""
    if not flask.request.is_json:
        raise WrongContentType
    try:
        # A parser with a bound on depth; it refuses bad UTF-8 and lone surrogates too.
        found = from_json(flask.request.get_data(cache=False))
    except ValueError as error:
        raise NotJson(str(error)) from None
    if not isinstance(found, dict):
        raise NotJson("it is JSON, but no object")
    return found
