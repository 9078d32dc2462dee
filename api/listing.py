"""`GET /v1/messages`: which messages there are, page by page."""

from __future__ import annotations

import threading

import flask

from api import auth, cursor, paging, parameters, schemas, state
from api.errors import Busy
from api.operation import operation
from mailer.errors import Invalid, Problem
from mailer.request import MessageQuery
from mailer.resource import MessagePage, Scope
from mailer.view import MessageLine, Selection

# Lists that a process reads at once; seconds that one more waits.
_asking = threading.BoundedSemaphore(4)
_PATIENCE = 2.0

blueprint = flask.Blueprint("listing", __name__, url_prefix="/v1/messages")


@blueprint.get("")
@operation(
    scope=Scope.READ, query=MessageQuery, answers={200: MessagePage}, problems=("invalid-request", "too-broad", "busy")
)
def listed() -> flask.Response:
    """List messages, the newest first.

    A walk from page to page sees every message that was there when it began once, whatever comes in meanwhile.
    """
    query = _query()
    wanted = Selection(
        **auth.world(),
        after=cursor.read(query),
        # One more, to see whether there is another page.
        limit=query.limit + 1,
        **query.model_dump(exclude={"cursor", "limit"}),
    )
    found = _ask(wanted)
    page = found[: query.limit]
    after = cursor.write(page[-1], query) if len(found) > query.limit else None
    return paging.answered(MessagePage(messages=[schemas.summary(m) for m in page], next_cursor=after), after)


def _ask(wanted: Selection) -> list[MessageLine]:
    """Return the page; of all threads only some may be busy with lists, so that messages come in meanwhile."""
    if not _asking.acquire(timeout=_PATIENCE):
        raise Busy
    try:
        return state.current().intake.listed(wanted)
    finally:
        _asking.release()


def _query() -> MessageQuery:
    query = parameters.parsed(MessageQuery)
    if query.metadata_value is not None and query.metadata_key is None:
        raise Invalid((Problem("metadata_value", "needs metadata_key", "metadata_value"),))
    return query
