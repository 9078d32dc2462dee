"""The parameters of a query, or an error that names the wrong ones."""

from __future__ import annotations

from typing import TypeVar

import flask
import pydantic

from mailer import problem
from mailer.errors import Invalid, Problem

M = TypeVar("M", bound=pydantic.BaseModel)


def parsed(model: type[M]) -> M:
    """Return the parameters of this request.

    Raises:
        Invalid: names each that is wrong, unknown, or given more than once.
    """
    given = flask.request.args
    if twice := [name for name in given if len(given.getlist(name)) > 1]:
        raise Invalid((Problem(twice[0], "is given more than once", "duplicate"),))
    return problem.parsed(model, given.to_dict())
