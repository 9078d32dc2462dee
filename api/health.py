"""`GET /healthz`: the process lives. `GET /readyz`: it can do its work, or which part is down."""

from __future__ import annotations

import flask

from api import state
from api.operation import operation
from mailer import log
from mailer.client.task import ping
from mailer.errors import BrokerUnavailable, StoreUnavailable
from mailer.resource import Alive, Readiness
from mailer.store import migrate

_log = log.get(__name__)

blueprint = flask.Blueprint("health", __name__)


@blueprint.get("/healthz")
@operation(scope=None, answers={200: Alive})
def healthz() -> flask.Response:
    """Answer while the process lives."""
    return flask.jsonify(status="ok")


@blueprint.get("/readyz")
@operation(scope=None, answers={200: Readiness, 503: Readiness})
def readyz() -> flask.Response:
    """Answer 200 if database and broker do, else 503 with the one that is down."""
    parts = {"database": _database(), "broker": _broker()}
    ready = all(part == "ok" for part in parts.values())
    response = flask.jsonify(status="ok" if ready else "unavailable", **parts)
    response.status_code = 200 if ready else 503
    return response


def _database() -> str:
    try:
        found = state.current().store.revision()
    except StoreUnavailable as error:
        _log.warning("store.unavailable", error=str(error))
        return "down"
    return "ok" if found == migrate.head() else f"at revision {found}, this code needs {migrate.head()}"


def _broker() -> str:
    try:
        ping(state.current().send_email)
    except BrokerUnavailable as error:
        _log.warning("broker.unavailable", error=str(error))
        return "down"
    return "ok"
