"""What an operation answers when all is well, and where that leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, get_args

import pydantic

from api.openapi.component import Components, Model, media_type
from api.openapi.example import EXAMPLES
from api.openapi.header import headers
from api.openapi.route import Route


def responses(route: Route, components: Components, routes: Iterable[Route]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield status and response of a route's successes; `routes` are all that an answer may lead to."""
    unchanged = {304: None} if route.method == "GET" and route.tagged else {}
    for status, model in {**unchanged, **route.operation.answers}.items():
        links = dict(_links(route, model, routes)) if model else {}
        located = status in {201, 202} and any(target.method == "GET" for target in _targets(route, routes))
        yield (
            status,
            {
                "description": _summary(model, status),
                "headers": headers(route, status, located=located and bool(links), tagged=route.tagged),
                **({"content": _content(model, components)} if model else {}),
                **({"links": links} if links and status < 300 else {}),
            },
        )


def _content(model: Model, components: Components) -> dict[str, Any]:
    shown = {"example": {"$ref": f"#/components/examples/{model.__name__}"}} if model in EXAMPLES else None
    return {media_type(model): {"schema": components.answered(model)} | ({"examples": shown} if shown else {})}


def _summary(model: Model | None, status: int) -> str:
    return (model.__doc__ or "").partition("\n")[0] if model else f"{HTTPStatus(status).phrase}."


def _links(route: Route, model: Model, routes: Iterable[Route]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield, by name, where the id in an answer can be used."""
    if not route.arguments and (pointer := _pointer(model)):
        for target in _targets(route, routes):
            yield target.id, {"operationId": target.id, "parameters": {"id": f"$response.body#{pointer}"}}


def _targets(route: Route, routes: Iterable[Route]) -> Iterator[Route]:
    return (target for target in routes if target.tag == route.tag and target.arguments == ("id",))


def _pointer(model: Model) -> str | None:
    """Return where an answer has an id: its own, or that of the first in its list."""
    if "id" in model.model_fields:
        return "/id"
    for name, field in model.model_fields.items():
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, pydantic.BaseModel) and "id" in inner.model_fields:
                return f"/{name}/0/id"
    return None
