"""`POST /webhooks/{provider}`: what a provider tells us. Stored as it came, in one insert; read by the workers."""

from __future__ import annotations

import flask

from api import announcing, state
from api.errors import NotFound
from api.operation import operation
from mailer.resource import Health
from mailer.settings import READ_TASK

# A batch of a thousand events is far below this.
MAX_BODY = 5_000_000

blueprint = flask.Blueprint("webhooks", __name__, url_prefix="/webhooks")


@blueprint.post("/<provider>")
@operation(scope=None, answers={200: Health}, problems=("not-found", "invalid-signature", "too-large", "unavailable"))
def receive(provider: str) -> flask.Response:
    """Take in what a provider tells of its mails.

    Signed by the provider instead of asking for a key. 200: it is on disk, and will be read. Whatever else makes the
    provider come again.
    """
    here = state.current()
    if not here.hearing.knows(provider):
        raise NotFound
    request = flask.request
    request.max_content_length = MAX_BODY
    headers = {name.lower(): value for name, value in request.headers.items()}
    id = here.hearing.hear(provider, headers, request.get_data(cache=False))
    if id is not None:
        announcing.soon(READ_TASK, id=id)
    # Only 200 is a yes to Mailgun: after any other 2xx it comes again.
    return flask.jsonify(status="ok")
