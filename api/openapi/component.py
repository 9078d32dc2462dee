"""The models as components: each once, under its name, with the words of its docstring where they belong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import pydantic
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.openapi.example import EXAMPLES
from api.openapi.route import Route

Model = type[pydantic.BaseModel]
Schema = dict[str, Any]
Use = tuple[Model, Literal["validation", "serialization"]]

_NAMED = {model.__name__: example for model, example in EXAMPLES.items()}
_TEMPLATE = "#/components/schemas/{model}"
_ATTRIBUTE = re.compile(r"\n {4}(?=\w[\w, ]*: )")


JSON = "application/json"


def media_type(model: Model) -> str:
    """Return what a model is on the wire."""
    found: str = getattr(model, "media_type", JSON)
    return found


class Components:
    """The schemas of every model that these routes take or answer with."""

    def __init__(self, routes: Iterable[Route], *more: Model) -> None:
        wanted = [*dict.fromkeys([*(use for route in routes for use in _uses(route)), *((m, _OUT) for m in more)])]
        self._refs, found = models_json_schema(wanted, ref_template=_TEMPLATE)
        self.schemas: dict[str, Schema] = {name: _polished(s) for name, s in sorted(found.get("$defs", {}).items())}
        for name, schema in self.schemas.items():
            # A model whose forms differ in and out is there twice.
            if example := _NAMED.get(name.removesuffix("-Input").removesuffix("-Output")):
                schema["examples"] = [example]

    def taken(self, model: Model) -> Schema:
        """Return the reference to a model as it comes in."""
        return dict(self._refs[model, _IN])

    def answered(self, model: Model) -> Schema:
        """Return the reference to a model as it goes out."""
        return dict(self._refs[model, _OUT])

    def properties(self, model: Model) -> Iterator[tuple[str, Schema, bool]]:
        """Yield name, schema and whether it is required for each field of a model as it comes in."""
        schema = self.schemas[self._name((model, _IN))]
        for name, found in schema["properties"].items():
            yield name, found, name in schema.get("required", ())

    def without(self, models: Iterable[Model]) -> dict[str, Schema]:
        """Return the schemas by name, but not those of these models."""
        left_out = {self._name((model, _IN)) for model in models}
        return {name: schema for name, schema in self.schemas.items() if name not in left_out}

    def _name(self, use: tuple[Model, JsonSchemaMode]) -> str:
        return str(self._refs[use]["$ref"]).rpartition("/")[2]


_IN: Literal["validation"] = "validation"
_OUT: Literal["serialization"] = "serialization"


def _uses(route: Route) -> Iterator[Use]:
    said = route.operation
    yield from ((model, _IN) for model in (said.body, said.query) if model)
    yield from ((model, _OUT) for model in said.answers.values() if model)


def _polished(schema: Schema) -> Schema:
    """Return a schema with the attributes of its docstring at its properties, and without titles that repeat names."""
    text, *attributes = _ATTRIBUTE.split(_words(schema.get("description", "")))
    about = dict(_about(attributes))
    polished = {word: value for word, value in schema.items() if word not in {"title", "description"}}
    if text := text.removesuffix("\n\nAttributes:").strip():
        polished["description"] = text
    if "properties" in schema:
        polished["properties"] = {n: _property(p, about.get(n)) for n, p in schema["properties"].items()}
    return polished


def _property(schema: Schema, about: str | None) -> Schema:
    kept = {word: value for word, value in schema.items() if word != "title"}
    return {**kept, "description": about} if about else kept


def _about(attributes: Iterable[str]) -> Iterator[tuple[str, str]]:
    for attribute in attributes:
        names, _, words = attribute.partition(": ")
        for name in names.split(", "):
            yield name, " ".join(words.split())


def _words(docstring: str) -> str:
    # Written for Python, read by everybody.
    return re.sub(r"\bNone\b", "null", docstring)
