"""Pages for people: what every one of them is sent with."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import flask
import pydantic

STATIC = Path(__file__).parent / "static"

# A page runs scripts of its own files only and talks to nobody else; so nothing that is shown in it can, either.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class Html(pydantic.RootModel[str]):
    """A page for people."""

    media_type: ClassVar[str] = "text/html"


def render(template: str, **values: Any) -> flask.Response:
    """Return a page. In the template `file('page.css')` is the address of a file below api/static."""
    response = flask.make_response(flask.render_template(template, file=address, **values))
    response.headers.update(_HEADERS)
    return response


def address(name: str) -> str:
    """Return the address of a file below api/static, other for other content: it may be kept for ever."""
    return flask.url_for("docs.static", filename=name, v=_digest(name))


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:16]
