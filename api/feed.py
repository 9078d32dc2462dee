"""`/v1/events`: what became of the messages of a project, for applications that cannot, or need not, be called."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import flask

from api import auth, parameters, state
from api.errors import Busy
from api.operation import operation
from mailer.errors import Invalid, Problem, StoreUnavailable
from mailer.feed import EventStream, FeedEvent, FeedPage
from mailer.request import FeedQuery, StreamQuery
from mailer.resource import Scope, plain

# Seconds between two looks into the feed, and between two signs of life of a stream that has nothing to tell.
_LOOK, _ALIVE = 0.5, 15.0
_RETRY_MS = 2_000
# Events that are read at once.
_BATCH = 200

_NUMBER = re.compile(r"[0-9]{1,18}")

blueprint = flask.Blueprint("events", __name__, url_prefix="/v1/events")


@blueprint.get("")
@operation(scope=Scope.EVENTS, query=FeedQuery, answers={200: FeedPage}, problems=("invalid-request",))
def read() -> flask.Response:
    """Read what became of messages, the oldest first, from a place on.

    Whoever comes back with the `after` of the answer has missed nothing and sees nothing twice.
    """
    query = parameters.parsed(FeedQuery)
    found = state.current().endpoints.feed(
        **auth.world(), after=query.after, limit=query.limit, types=query.types or ()
    )
    return flask.jsonify(plain(found))


@blueprint.get("/stream")
@operation(scope=Scope.EVENTS, query=StreamQuery, answers={200: EventStream}, problems=("invalid-request", "busy"))
def stream() -> flask.Response:
    """Follow what becomes of messages as it happens, as server-sent events.

    From the place in `Last-Event-ID` on, else from `after`, else from now. It ends after a quarter of an hour: clients
    of this kind come back by themselves, from where they were.
    """
    query = parameters.parsed(StreamQuery)
    here, world = state.current(), auth.world()
    after = _last_event_id() if "Last-Event-ID" in flask.request.headers else query.after
    if after is None:
        after = here.endpoints.last(**world)
    if not here.streams.acquire(blocking=False):
        raise Busy
    stopping = flask.request.environ.get("mailer.stopping", bool)

    def events() -> Iterator[bytes]:
        place, begun, said = after, time.monotonic(), time.monotonic()
        yield f"retry: {_RETRY_MS}\n\n".encode()
        while not stopping() and time.monotonic() - begun < here.settings.stream_seconds:
            try:
                page = here.endpoints.feed(**world, after=place, limit=_BATCH, types=query.types or ())
            except StoreUnavailable:
                return  # the client comes back
            place = page.after
            if page.events:
                said = time.monotonic()
                yield b"".join(map(_written, page.events))
            elif time.monotonic() - said > _ALIVE:
                said = time.monotonic()
                # With the place, which moves on also where nothing was of a wanted type.
                yield f": alive\nid: {page.after}\n\n".encode()
            if not page.more:
                time.sleep(_LOOK)

    response = flask.Response(events(), mimetype=EventStream.media_type)
    response.headers["Cache-Control"] = "no-store"
    # nginx would collect it into large pieces.
    response.headers["X-Accel-Buffering"] = "no"
    # Also of a response that is never read.
    response.call_on_close(here.streams.release)
    return response


def _last_event_id() -> int:
    given = flask.request.headers["Last-Event-ID"]
    if not _NUMBER.fullmatch(given):
        raise Invalid((Problem("Last-Event-ID", "must be the id of an event of this stream", "last_event_id"),))
    return int(given)


def _written(event: FeedEvent) -> bytes:
    return f"id: {event.sequence}\nevent: {event.type}\ndata: {json.dumps(plain(event))}\n\n".encode()
