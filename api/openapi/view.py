"""`GET /openapi.json`: the description of this API."""

from __future__ import annotations

import hashlib
from typing import Any

import flask
import pydantic

from api.openapi import document
from api.operation import operation

blueprint = flask.Blueprint("openapi", __name__)

_MADE = "mailer.openapi"


class Description(pydantic.RootModel[dict[str, Any]]):
    """An OpenAPI 3.1 document."""

    model_config = pydantic.ConfigDict(json_schema_extra={"examples": [{"openapi": "3.1.0"}]})


@blueprint.get("/openapi.json")
@operation(scope=None, answers={200: Description, 304: None})
def show() -> flask.Response:
    """Answer this document."""
    body, etag = _made()
    response = flask.Response(body, content_type="application/json")
    response.set_etag(etag)
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(flask.request)
    return response


def _made() -> tuple[bytes, str]:
    """Return the document and its digest: made once, since all of it is known when the application is put together."""
    made: tuple[bytes, str] | None = flask.current_app.extensions.get(_MADE)
    if made is None:
        body = flask.json.dumps(document.build(flask.current_app), sort_keys=False).encode()
        made = flask.current_app.extensions[_MADE] = (body, hashlib.sha256(body).hexdigest()[:32])
    return made
