"""Suppressions that were lifted here, lifted at the providers too: they would go on not mailing those addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer import log
from mailer.alarm import Alarm
from mailer.errors import AccountRefused, ProviderError, TemporarilyRefused, Unanswered
from mailer.pace import Pace
from mailer.ports import Provider, Transport
from mailer.retry import Backoff
from mailer.source import Removal
from mailer.store.reconciler import ReconcilerStore

_log = log.get(__name__)

# What says something about the provider, and not about this address.
_OF_THE_PROVIDER = (TemporarilyRefused, Unanswered, AccountRefused)
# How long one who has taken removals is left with them.
_LEASE = timedelta(minutes=10)
# After that nobody asks any more.
_GIVE_UP = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remover:
    """Asks every provider to forget what was lifted, until each has said yes."""

    store: ReconcilerStore
    providers: Mapping[str, Provider]
    transport: Transport
    pace: Pace
    backoff: Backoff
    alarm: Alarm
    clock: Callable[[], datetime]
    uniform: Callable[[float, float], float]

    def work(self, *, limit: int) -> int:
        """Make the removals whose time has come; return how many are done with.

        Raises:
            StoreUnavailable: those that were not written down as done are asked for again, which does no harm.
        """
        now = self.clock()
        found = self.store.removals(limit=limit, now=now, until=now + _LEASE)
        away: dict[str, ProviderError] = {}
        return sum(self._remove(removal, away) for removal in found)

    def _remove(self, removal: Removal, away: dict[str, ProviderError]) -> bool:
        failed = self._ask(removal, away)
        now = self.clock()
        if not failed:
            self.store.forgotten(removal.id, now=now)
            _log.info("suppression.removed", removal_id=removal.id, attempts=removal.attempts + 1)
            return True
        error = ", ".join(f"{name}: {e.code}" for name, e in failed.items())
        if now - removal.created_at >= _GIVE_UP:
            self.store.forgotten(removal.id, error=error, now=now)
            self.alarm("suppression.not_removed", removal_id=removal.id, provider=next(iter(failed)), reason=error)
            return True
        seconds = self.backoff.pause(retry=removal.attempts, uniform=self.uniform)
        wanted = max(seconds, *(e.retry_after or 0 for e in failed.values()))
        self.store.forget_later(removal.id, at=now + timedelta(seconds=min(wanted, self.backoff.maximum)), error=error)
        return False

    def _ask(self, removal: Removal, away: dict[str, ProviderError]) -> dict[str, ProviderError]:
        """Ask each provider; return those where the address may still be listed.

        Args:
            away: those that did not answer before: they are not waited for again and again.
        """
        failed: dict[str, ProviderError] = {}
        for name, provider in self.providers.items():
            if (known := away.get(name)) is not None:
                failed[name] = known
                continue
            try:
                for request in provider.removals(removal.email, removal.reason):
                    self.pace.wait(name)
                    provider.removed(self.transport.send(request), now=self.clock())
            except ProviderError as error:
                _log.warning("removal.failed", removal_id=removal.id, provider=name, error=error.code)
                failed[name] = error
                if isinstance(error, _OF_THE_PROVIDER):
                    away[name] = error
        return failed
