"""Lists page by page: how one is asked for, and how a page leads to the next."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlencode

import flask

from mailer.errors import Invalid, Problem
from mailer.problem import parsed
from mailer.request import PageQuery
from mailer.resource import Resource, plain

Q = TypeVar("Q", bound=PageQuery)


def query(model: type[Q]) -> Q:
    """Return the conditions of this request.

    Raises:
        Invalid: names every wrong parameter.
    """
    given = flask.request.args
    if twice := [name for name in given if len(given.getlist(name)) > 1]:
        raise Invalid((Problem(twice[0], "is given more than once", "duplicate"),))
    return parsed(model, given.to_dict())


def answered(page: Resource, after: str | None) -> flask.Response:
    """Return a page, with a link to the one after it (RFC 8288) where there is one."""
    response = flask.jsonify(plain(page))
    if after:
        conditions = urlencode({**flask.request.args.to_dict(), "cursor": after})
        response.headers["Link"] = f'<{flask.request.path}?{conditions}>; rel="next"'
    return response
