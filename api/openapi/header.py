"""The headers of answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.openapi.route import Route

_TEXT = {"type": "string"}

COMPONENTS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The id of this request in every log.", "required": True, "schema": _TEXT},
    "Location": {"description": "Where it is to be found.", "schema": {"type": "string", "format": "uri-reference"}},
    "ETag": {"description": "Names this state, for `If-None-Match` and `If-Match`.", "schema": _TEXT},
    "Idempotency-Replayed": {
        "description": "`true` where this is the answer that the first request under the same Idempotency-Key got.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "RateLimit": {
        "description": 'What is left, e.g. `"key";r=599;t=1`: requests, and seconds until more are allowed.',
        "schema": _TEXT,
    },
    "RateLimit-Policy": {
        "description": 'What is allowed, e.g. `"key";q=600;w=60`: requests, and the seconds they are counted over.',
        "schema": _TEXT,
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 6750).",
        "required": True,
        "schema": _TEXT,
    },
}


def headers(route: Route, status: int, *, located: bool = False, tagged: bool = False) -> dict[str, Any]:
    """Return the headers of an answer of a route with this status.

    Args:
        located: it names the place of something new.
        tagged: it shows something that may change.
    """
    used = [*_always(route, status)]
    used += ["Location"] if located else []
    used += ["ETag"] if tagged else []
    return {name: {"$ref": f"#/components/headers/{name}"} for name in used}


def _always(route: Route, status: int) -> Iterator[str]:
    yield "X-Request-ID"
    if route.operation.scope is not None:
        yield from ("RateLimit", "RateLimit-Policy")
    if route.method == "POST" and route.writes and status < 500:
        yield "Idempotency-Replayed"
    if status == 401:
        yield "WWW-Authenticate"
    # 409: the first request under the same Idempotency-Key is still running.
    if status in {429, 503} or (status == 409 and route.method == "POST"):
        yield "Retry-After"
