"""The description of the API, made from what describes it already: URL map, operations, models, problem types."""

from __future__ import annotations

from api.openapi.document import build
from api.openapi.view import blueprint

__all__ = ["blueprint", "build"]
