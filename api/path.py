"""Parts of paths."""

from __future__ import annotations

import flask
from werkzeug.routing import BaseConverter


class Id(BaseConverter):
    """An id, in its canonical form; whatever else stands there is another path, or none."""

    regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def register(app: flask.Flask) -> None:
    """Let rules say `<id:id>`."""
    app.url_map.converters["id"] = Id
