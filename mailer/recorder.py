"""Outcomes on their way into the store: a call cannot be repeated, so what it came to is never dropped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from mailer import log
from mailer.alarm import Alarm
from mailer.delivery import EnvelopeInput
from mailer.errors import StoreUnavailable
from mailer.ledger import Result
from mailer.ports import Store
from mailer.spool import Spool

_log = log.get(__name__)

# Seconds before a store that did not answer is tried again while the outcome is in hand.
_PAUSES = (0.2, 1.0, 3.0)
# The same where there is no disk to keep it either.
_LAST_RESORT = 5.0


class Kept(Enum):
    """What became of an outcome that moved no envelope."""

    LATE = "late"  # stored with its attempt; the envelope had gone on without it
    SPOOLED = "spooled"  # on disk, until the store is there


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Writes outcomes to the store, by way of the spool where the store is away."""

    store: Store
    spool: Spool
    alarm: Alarm
    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep

    def record(self, result: Result) -> EnvelopeInput | Kept:
        """Store an outcome; return what happened to its envelope. Raises nothing that another machine can cause."""
        try:
            return self._stored(result)
        except StoreUnavailable as error:
            self._say(result, error)
        spooled = self._spooled(result)
        for pause in _PAUSES:
            self.sleep(pause)
            if happened := self._again(result):
                return happened
        while not spooled:
            # In this memory and nowhere else: hold on to it.
            self.sleep(_LAST_RESORT)
            spooled = self._spooled(result)
            if happened := self._again(result):
                return happened
        return Kept.SPOOLED

    def replay(self) -> int:
        """Store what waits in the spool; return how many.

        Raises:
            StoreUnavailable: it is still away; nothing is dropped.
        """
        done = 0
        for result in self.spool.waiting():
            # Of breakers the world has learnt since.
            happened = self._stored(replace(result, opened=(), closed=()))
            self._go_on(result, happened)
            self.spool.drop(result)
            _log.info("spool.stored", envelope_id=result.move.id, attempt_id=result.attempt.id, what=str(happened))
            done += 1
        return done

    def _stored(self, result: Result) -> EnvelopeInput | Kept:
        return self.store.record([result], now=self.clock()).get(result.move.id) or Kept.LATE

    def _again(self, result: Result) -> EnvelopeInput | Kept | None:
        try:
            happened = self._stored(result)
            if happened is Kept.LATE:
                # The commit that we heard nothing of was made, most likely.
                self._go_on(result, happened)
        except StoreUnavailable as error:
            self._say(result, error)
            return None
        self.spool.drop(result)
        return happened

    def _go_on(self, result: Result, happened: EnvelopeInput | Kept) -> None:
        """Let the sweep look after what no task will: its worker has ended, or did not hear that it was stored."""
        if happened in (EnvelopeInput.RETRY, Kept.LATE):
            self.store.hasten([result.move.id], at=self.clock())

    def _spooled(self, result: Result) -> bool:
        try:
            self.spool.put(result)
        except OSError as error:
            self.alarm("spool.failed", envelope_id=result.move.id, attempt_id=result.attempt.id, reason=str(error))
            return False
        return True

    def _say(self, result: Result, error: StoreUnavailable) -> None:
        _log.warning("store.unavailable", envelope_id=result.move.id, attempt_id=result.attempt.id, error=str(error))
