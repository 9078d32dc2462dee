"""How a resource that can change is shown: with an ETag, to be told apart from what it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import flask

from api import once
from api.errors import Stale
from mailer.ledger import Answer


def tagged(answer: Answer) -> flask.Response:
    """Return a resource with its ETag; 304 where the caller has it already."""
    response = once.answered(answer)
    response.set_etag(_etag(answer.body))
    response.headers["Cache-Control"] = "private, no-cache"
    if flask.request.method in ("GET", "HEAD"):
        response.make_conditional(flask.request)
    return response


def require_match(body: Callable[[], Mapping[str, Any]]) -> None:
    """Return if the caller has seen it as it is, or does not say, else raise Stale."""
    if "If-Match" in flask.request.headers and not flask.request.if_match.contains(_etag(body())):
        raise Stale


def _etag(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]
