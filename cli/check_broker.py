"""Checks of the broker: does it answer, has it our queues, does somebody listen, what lies in the dead queue."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cli.check import Check, Finding, failed, ok, warning
from mailer import masking
from mailer.client.topology import QueueState, inspect
from mailer.errors import BrokerUnavailable
from mailer.settings import DEAD_QUEUE, Settings

_DECLARE = "run: python -m mailer topology"


class Look:
    """One look at the broker, which several checks share."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._seen: Sequence[QueueState] | BrokerUnavailable | None = None

    def __call__(self) -> Sequence[QueueState] | BrokerUnavailable:
        """Return what is there, or why nothing can be said."""
        with self._lock:
            if self._seen is None:
                try:
                    self._seen = inspect(self._settings)
                except BrokerUnavailable as error:
                    self._seen = error
            return self._seen


def checks(settings: Settings) -> list[Check]:
    """Return the checks."""
    look = Look(settings)
    return [
        Check("broker", lambda: _broker(settings, look)),
        Check("topology", lambda: _topology(look)),
        Check("dead queue", lambda: _dead(look)),
    ]


def _broker(settings: Settings, look: Look) -> Finding:
    where = masking.text(settings.broker_url)
    seen = look()
    if isinstance(seen, BrokerUnavailable):
        return failed("broker", f"{where} does not answer ({seen})", "start it, or correct CELERY_BROKER_URL")
    return ok("broker", f"{where} answers")


def _topology(look: Look) -> Finding:
    seen = look()
    if isinstance(seen, BrokerUnavailable):
        return failed("topology", "unknown: the broker does not answer", "see broker")
    if missing := [q.name for q in seen if not q.exists]:
        return failed("topology", f"missing: {', '.join(missing)}", _DECLARE)
    if foreign := [q for q in seen if not q.ours]:
        said = "; ".join(f"{q.name} ({q.difference})" for q in foreign)
        return failed(
            "topology", f"other arguments than ours: {said}",
            f"arguments cannot be changed: let it run empty, delete it, then {_DECLARE}",
        )  # fmt: skip
    depths = ", ".join(f"{q.name} {q.messages}" for q in seen)
    if deaf := [q.name for q in seen if q.consumers == 0 and q.messages > 0 and q.name != DEAD_QUEUE]:
        return failed("topology", f"nobody listens to {', '.join(deaf)} ({depths})", "start its workers (Procfile)")
    return ok("topology", f"{len(seen)} queues as declared ({depths})")


def _dead(look: Look) -> Finding:
    seen = look()
    if isinstance(seen, BrokerUnavailable):
        return failed("dead queue", "unknown: the broker does not answer", "see broker")
    waiting = sum(q.messages for q in seen if q.name == DEAD_QUEUE)
    if waiting:
        return warning("dead queue", f"{waiting} in {DEAD_QUEUE}", "the workers of mail.sweep empty it: do they run?")
    return ok("dead queue", "empty")
