"""`GET /docs`: the reference of the API in a browser, with everything that it needs on board."""

from __future__ import annotations

import flask

from api import page
from api.operation import operation

blueprint = flask.Blueprint("docs", __name__, static_folder=page.STATIC, static_url_path="/docs/static")


@blueprint.get("/docs")
@operation(scope=None, answers={200: page.Html})
def show() -> flask.Response:
    """Show this reference to a person, who can try everything out with a key."""
    return page.render("docs.html")


@blueprint.after_request
def _keep(response: flask.Response) -> flask.Response:
    # Only under the address that names the content; any other is asked for anew each time.
    if flask.request.endpoint == "docs.static" and response.status_code < 400 and "v" in flask.request.args:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
