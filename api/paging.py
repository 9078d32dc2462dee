"""Lists page by page: how a page leads to the next."""

from __future__ import annotations

from urllib.parse import urlencode

import flask

from mailer.resource import Resource, plain


def answered(page: Resource, after: str | None) -> flask.Response:
    """Return a page, with a link to the one after it (RFC 8288) where there is one."""
    response = flask.jsonify(plain(page))
    if after:
        conditions = urlencode({**flask.request.args.to_dict(), "cursor": after})
        response.headers["Link"] = f'<{flask.request.path}?{conditions}>; rel="next"'
    return response
