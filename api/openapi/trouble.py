"""Which problems an operation may answer with, as responses by status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from api.openapi.component import JSON, Components, media_type
from api.openapi.header import headers
from api.openapi.route import Route
from mailer.message import Message
from mailer.problem_type import PROBLEM_TYPES, ProblemType
from mailer.request import BulkRequest
from mailer.resource import Problem

_REQUEST_ID = "01a20d7c-2b6b-74e1-949d-8cf2e1fc3ec0"
# What some kinds carry beside what all do.
_MORE: dict[str, dict[str, Any]] = {
    "invalid-message": {"errors": [{"pointer": "/to/1", "code": "address", "detail": "is not a valid email address"}]},
    "invalid-request": {"errors": [{"pointer": "/limit", "code": "greater_than_equal", "detail": "must be 1 or more"}]},
    "missing-scope": {"scope": "send"},
    "uncertain": {"id": "01a20d7c-2b6c-75cf-b28a-45e8b4c61489"},
    "too-late": {"state": "sending"},
}


def kinds(route: Route) -> list[ProblemType]:
    """Return every kind of problem that a route may answer with, by status."""
    found = {PROBLEM_TYPES[slug] for slug in (*_of_all(route), *_of_writing(route), *route.operation.problems)}
    return sorted(found, key=lambda kind: (kind.status, kind.slug))


def responses(route: Route, components: Components) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield status and response of a route's problems."""
    for status, group in groupby(kinds(route), key=lambda kind: kind.status):
        several = [*group]
        yield (
            status,
            {
                "description": ". Or: ".join(kind.title for kind in several) + ".",
                "headers": headers(route, status, located=any(kind.slug == "uncertain" for kind in several)),
                "content": {
                    "application/problem+json": {
                        "schema": components.answered(Problem),
                        "examples": {kind.slug: {"$ref": f"#/components/examples/{kind.slug}"} for kind in several},
                    }
                },
            },
        )


def examples(routes: Iterable[Route]) -> dict[str, dict[str, Any]]:
    """Return an example of each kind that one of the routes may answer with, by slug."""
    return {kind.slug: _example(kind) for route in routes for kind in kinds(route)}


def _example(kind: ProblemType) -> dict[str, Any]:
    value = {
        "type": f"https://mail.example.com/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "request_id": _REQUEST_ID,
        **_MORE.get(kind.slug, {}),
    }
    return {"summary": kind.title, "description": kind.cure, "value": value}


def _of_all(route: Route) -> Iterator[str]:
    yield "internal-error"
    if route.operation.scope is not None:
        yield from ("unauthorized", "missing-scope", "network-not-allowed", "rate-limited", "unavailable")
    if route.arguments:
        yield "not-found"
    if route.operation.query:
        yield "invalid-request"


def _of_writing(route: Route) -> Iterator[str]:
    body = route.operation.body
    if body:
        yield from ("bad-request", "too-large", "unsupported-media-type")
        if media_type(body) == JSON:
            yield "not-json"
        yield "invalid-message" if body in {Message, BulkRequest} else "invalid-request"
    if route.writes:
        yield "uncertain"
    if route.method == "POST" and route.writes:
        yield from ("idempotency-key-in-use", "idempotency-key-reused")
    if route.method == "PATCH":
        yield "precondition-failed"
