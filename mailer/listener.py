"""Who has fallen silent: measured from time to time, told when it begins and when it ends, asked by whoever routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from mailer import log, silence
from mailer.alarm import Alarm
from mailer.silence import Silence
from mailer.store.reconciler import ReconcilerStore

_log = log.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Measures how each provider is heard."""

    store: ReconcilerStore
    providers: Iterable[str]
    alarm: Alarm
    clock: Callable[[], datetime]

    def measure(self) -> list[Silence]:
        """Measure each provider; an alarm for one that falls silent or speaks again. Raises StoreUnavailable."""
        known = self.store.silences()
        return [
            self._measure(known.get(name) or Silence(provider=name, measured_at=self.clock()))
            for name in self.providers
        ]

    def _measure(self, before: Silence) -> Silence:
        now = self.clock()
        mails = self.store.heard(before.provider, before=now - before.patience)
        found = silence.measure(before, mails, now=now)
        self.store.note_silence(found)
        if (found.silent_since is None) is not (before.silent_since is None):
            name = "provider.silent" if found.silent_since else "provider.heard_again"
            since = found.silent_since or before.silent_since
            self.alarm(name, provider=found.provider, since=str(since), unheard=found.unheard, of=found.looked_at)
        return found
