"""What an operation is asked with, beside its body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.openapi.component import Components, Schema
from api.openapi.route import Route
from mailer.problem_type import PROBLEM_TYPES
from mailer.providers import registry

_ARGUMENTS: dict[str, Schema] = {
    "provider": {"schema": {"type": "string", "enum": [*registry.NAMES]}, "description": "Who tells."},
    "id": {"schema": {"type": "string", "format": "uuid"}, "description": "As it was answered when it was made."},
    "callback_id": {"schema": {"type": "string", "format": "uuid"}, "description": "As the list of callbacks has it."},
    "slug": {"schema": {"type": "string", "enum": [*PROBLEM_TYPES]}, "description": "The last part of its `type`."},
}

_REQUEST_ID = "RequestId"
_IDEMPOTENCY_KEY = "IdempotencyKey"
_IF_MATCH = "IfMatch"
_IF_NONE_MATCH = "IfNoneMatch"

COMPONENTS: dict[str, Schema] = {
    _REQUEST_ID: {
        "name": "X-Request-ID",
        "in": "header",
        "description": "The id of this request in every log. Kept are letters, digits and `._:/+=-`, at most 128 of "
        "them; where nothing is left, one is made.",
        "schema": {"type": "string"},
        "example": "shop-4711",
    },
    _IDEMPOTENCY_KEY: {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A name for this request, new for each: for 24 hours the same request under it is done once, "
        "and answered the same each time.",
        "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
        "example": "order-4711-confirmation",
    },
    _IF_MATCH: {
        "name": "If-Match",
        "in": "header",
        "description": "The `ETag` that the change is made on: if it has changed since, nothing is done.",
        "schema": {"type": "string"},
    },
    _IF_NONE_MATCH: {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` that you have: 304 if it has not changed.",
        "schema": {"type": "string"},
    },
}


def parameters(route: Route, components: Components) -> list[dict[str, Any]]:
    """Return the parameters of a route: path, query, headers."""
    path = [{"name": name, "in": "path", "required": True, **_ARGUMENTS[name]} for name in route.arguments]
    query = list(_query(route, components))
    return [*path, *query, *({"$ref": f"#/components/parameters/{name}"} for name in used(route))]


def used(route: Route) -> Iterator[str]:
    """Yield the names of the header parameters of a route, among COMPONENTS."""
    if route.method == "POST" and route.writes:
        yield _IDEMPOTENCY_KEY
    if route.method == "PATCH":
        yield _IF_MATCH
    if route.method == "GET" and route.tagged:
        yield _IF_NONE_MATCH
    yield _REQUEST_ID


def _query(route: Route, components: Components) -> Iterator[dict[str, Any]]:
    for name, schema, required in components.properties(route.operation.query) if route.operation.query else ():
        about = {"description": schema["description"]} if "description" in schema else {}
        yield {"name": name, "in": "query", "required": required, **about, "schema": _present(schema)}


def _present(schema: Schema) -> Schema:
    """Return the schema of a parameter that is there: left out is how a query says null."""
    forms = [form for form in schema.get("anyOf", ()) if form != {"type": "null"}]
    kept = {w: v for w, v in schema.items() if w not in {"anyOf", "description"} and (w, v) != ("default", None)}
    return {**kept, **forms[0]} if len(forms) == 1 else {**kept, **({"anyOf": forms} if forms else {})}
