"""Who may come in: bearer keys (RFC 6750), compared in constant time."""

from __future__ import annotations

import hmac

import flask

from api import state
from api.errors import Unauthorized

# The key of the environment; keys with names of their own come from the database.
BOOTSTRAP_KEY = "bootstrap"


def register(blueprint: str, app: flask.Flask) -> None:
    """Let nobody into this blueprint without a key, before anything else is looked at."""
    app.before_request_funcs.setdefault(blueprint, []).append(require_key)


def require_key() -> None:
    """Let the request in under the name of its key, or raise Unauthorized."""
    scheme, _, given = flask.request.headers.get("Authorization", "").partition(" ")
    # Bytes, since compare_digest refuses text beyond ASCII; headers come as latin-1.
    expected = state.current().settings.api_key.encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1", "replace"), expected):
        raise Unauthorized
    flask.g.key_name = BOOTSTRAP_KEY
    flask.g.project_id = "default"
