"""What each view is, said once: the scope that it asks for, what it takes and what it answers.

api/auth.py enforces the scope, api/openapi.py describes the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import flask
import pydantic

from mailer.resource import Scope

P = ParamSpec("P")
R = TypeVar("R")

_ATTRIBUTE = "mailer_operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes:
        scope: what a key must have; None: no key is asked for.
        answers: what a success looks like, by status; None: no body.
        body: the JSON that it takes.
        query: its parameters.
        problems: the kinds of problem (mailer/problem_type.py) that it may answer with, beside those that every
            operation with a key, a body or a database may.
    """

    scope: Scope | None
    answers: Mapping[int, type[pydantic.BaseModel] | None]
    body: type[pydantic.BaseModel] | None = None
    query: type[pydantic.BaseModel] | None = None
    problems: tuple[str, ...] = field(default=())


def operation(
    *,
    scope: Scope | None,
    answers: Mapping[int, type[pydantic.BaseModel] | None],
    body: type[pydantic.BaseModel] | None = None,
    query: type[pydantic.BaseModel] | None = None,
    problems: tuple[str, ...] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say what a view is; see Operation."""
    said = Operation(scope=scope, answers=answers, body=body, query=query, problems=problems)

    def mark(view: Callable[P, R]) -> Callable[P, R]:
        setattr(view, _ATTRIBUTE, said)
        return view

    return mark


def require(app: flask.Flask) -> None:
    """Raise if a view does not say what it is: nobody would be asked for a key there."""
    silent = [name for name in app.view_functions if of(app, name) is None]
    if silent:
        raise RuntimeError(f"these views do not say what they are: {', '.join(silent)}")


def of(app: flask.Flask, endpoint: str | None) -> Operation | None:
    """Return what the view of an endpoint is; None where it does not say."""
    return getattr(app.view_functions.get(endpoint or ""), _ATTRIBUTE, None)
