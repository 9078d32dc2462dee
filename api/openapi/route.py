"""A route: one method of one rule of the URL map, with the operation that its view says it is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import flask
from werkzeug.routing import Rule

from api import operation
from api.operation import Operation

# Flask answers these by itself.
_AUTOMATIC = {"HEAD", "OPTIONS"}
_ARGUMENT = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path, and what its view says.

    Attributes:
        endpoint: Flask's name for the view, `blueprint.view`.
        path: as OpenAPI writes it, `/v1/messages/{id}`.
        arguments: the names in the path, in order.
        tagged: it shows or changes something that has an `ETag`: what can be changed with PATCH, or kept by who asks.
    """

    method: str
    path: str
    endpoint: str
    arguments: tuple[str, ...]
    tagged: bool
    operation: Operation
    docstring: str

    @property
    def id(self) -> str:
        """Its name in the document, `messages_create`: what generated clients call their functions."""
        return self.endpoint.replace(".", "_")

    @property
    def tag(self) -> str:
        """What it is about: `messages`, `keys`, or what stands alone."""
        parts = self.path.strip("/").split("/")
        return parts[1].partition(".")[0] if parts[0] == "v1" else self.endpoint.partition(".")[0]

    @property
    def writes(self) -> bool:
        """Whether it may change something that belongs to a key's project."""
        return self.method != "GET" and self.operation.scope is not None


def described(rule: Rule) -> bool:
    """Tell whether a rule is part of the API, and no file of a page."""
    return not str(rule.endpoint).endswith("static")


def routes(app: flask.Flask) -> tuple[Route, ...]:
    """Return every route whose view says what it is, in the order in which they were registered."""
    rules = [rule for rule in app.url_map.iter_rules() if described(rule)]
    changed = {rule.rule for rule in rules if "PATCH" in (rule.methods or ())}
    return tuple(route for rule in rules for route in _routes(app, rule, changed=rule.rule in changed))


def _routes(app: flask.Flask, rule: Rule, *, changed: bool) -> Iterator[Route]:
    said = operation.of(app, rule.endpoint)
    if said is None:
        return
    for method in sorted((rule.methods or set()) - _AUTOMATIC):
        yield Route(
            method=method,
            path=_ARGUMENT.sub(r"{\1}", rule.rule),
            endpoint=rule.endpoint,
            arguments=tuple(_ARGUMENT.findall(rule.rule)),
            tagged=304 in said.answers or (changed and method in {"GET", "PATCH"}),
            operation=said,
            docstring=inspect.getdoc(app.view_functions[rule.endpoint]) or "",
        )
