"""The document as a whole."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import flask

import mailer
from api.openapi import answer, header, parameter, trouble
from api.openapi.component import Components, media_type
from api.openapi.example import EXAMPLES
from api.openapi.route import Route, routes
from mailer.resource import Problem

_ABOUT = """\
Hand an email over once: it is sent through one of several providers, and you are told what became of it.

**202 means that the message is on disk.** It is sent from there whatever dies next.

**Every error is a problem** (RFC 9457) whose `type` leads to a page that says what to do. What is not valid is named
all at once, each field with a JSON pointer into what was sent.

**Send the same again without fear:** name a request with `Idempotency-Key`, and it is done once.

Times are RFC 3339 with an offset; ours are in UTC. A field that is `null` counts as left out. New fields may be added
to answers: ignore those that you do not know.
"""


def build(app: flask.Flask) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of an application."""
    all_routes = routes(app)
    components = Components(all_routes, Problem)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mailer",
            "version": mailer.__version__,
            "summary": "Email that arrives, once.",
            "description": _ABOUT,
            "contact": {"name": "Whoever operates this installation"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "Where this document comes from."}],
        "tags": list(_tags(app, all_routes)),
        "paths": _paths(all_routes, components),
        "components": _components(all_routes, components),
    }


def _tags(app: flask.Flask, all_routes: Iterable[Route]) -> Iterator[dict[str, str]]:
    # What needs a key is what people come for.
    for name in dict.fromkeys(r.tag for r in sorted(all_routes, key=lambda r: r.operation.scope is None)):
        module = sys.modules[app.blueprints[name].import_name]
        yield {"name": name, "description": inspect.getdoc(module) or name}


def _paths(all_routes: tuple[Route, ...], components: Components) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for route in all_routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, components, all_routes)
    return paths


def _operation(route: Route, components: Components, all_routes: tuple[Route, ...]) -> dict[str, Any]:
    scope, body = route.operation.scope, route.operation.body
    needs = f"Needs a key with the scope `{scope}`." if scope else "Needs no key."
    responses = [*answer.responses(route, components, all_routes), *trouble.responses(route, components)]
    return {
        "operationId": route.id,
        "tags": [route.tag],
        "summary": " ".join(route.docstring.partition("\n\n")[0].split()).partition(". ")[0].removesuffix("."),
        "description": f"{route.docstring}\n\n{needs}",
        "security": [{"key": []}] if scope else [],
        "parameters": parameter.parameters(route, components),
        **({"requestBody": _body(body, components)} if body else {}),
        "responses": {str(status): response for status, response in sorted(responses, key=lambda pair: pair[0])},
    }


def _body(model: Any, components: Components) -> dict[str, Any]:
    example = {"example": {"$ref": f"#/components/examples/{model.__name__}"}}
    content = {"schema": components.taken(model), "examples": example}
    return {"required": True, "content": {media_type(model): content}}


def _components(all_routes: tuple[Route, ...], components: Components) -> dict[str, Any]:
    queries = {route.operation.query for route in all_routes if route.operation.query}
    used = {name for route in all_routes for name in parameter.used(route)}
    return {
        "schemas": components.without(queries),
        "parameters": {name: found for name, found in parameter.COMPONENTS.items() if name in used},
        "headers": header.COMPONENTS,
        "examples": _examples(all_routes) | trouble.examples(all_routes),
        "securitySchemes": {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key. Each operation says which scope it needs; `admin` may do everything.",
            }
        },
    }


def _examples(all_routes: Iterable[Route]) -> dict[str, Any]:
    shown = {m for r in all_routes for m in (r.operation.body, *r.operation.answers.values()) if m in EXAMPLES}
    return {model.__name__: {"value": EXAMPLES[model]} for model in sorted(shown, key=lambda m: m.__name__) if model}
