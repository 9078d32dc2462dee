"""What the views of one process share."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import flask

from api.gate import Gate
from api.limiter import Limiter
from api.waker import Waker
from mailer.blocklist import Blocklist
from mailer.client.task import SendEmail
from mailer.endpoints import Endpoints
from mailer.hearing import Hearing
from mailer.intake import Intake
from mailer.keyring import Keyring
from mailer.settings import Settings
from mailer.store import Store


@dataclass(frozen=True, slots=True)
class State:
    """The parts that `create_app` puts together and views fetch."""

    settings: Settings
    store: Store
    intake: Intake
    hearing: Hearing
    keyring: Keyring
    endpoints: Endpoints
    blocklist: Blocklist
    send_email: SendEmail
    waker: Waker
    limiter: Limiter
    gate: Gate
    streams: threading.BoundedSemaphore

    def put(self, app: flask.Flask) -> None:
        """Make this the state of `app`."""
        app.extensions["mailer"] = self


def current() -> State:
    """Return the state of the application that handles this request."""
    state: State = flask.current_app.extensions["mailer"]
    return state
