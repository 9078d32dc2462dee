"""Silence: a provider that accepts mails and reports nothing of them for much longer than it usually takes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

# How much longer than usual is much longer, and what nobody wonders about.
TIMES = 10
LEAST = timedelta(minutes=10)
# Of fewer mails nothing is concluded; of more, so many are enough.
FEW, ENOUGH = 20, 200
# So many of them must be unheard of: of some mails no provider ever tells.
SHARE = 0.9
_USUAL = 0.95


@dataclass(frozen=True, slots=True)
class Heard:
    """A mail that a provider accepted, and how many seconds later the first event came; None: none has come."""

    accepted_at: datetime
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """How a provider was heard when that was last measured.

    Attributes:
        usual_seconds: 95 of 100 mails were heard of by then, the last time there were enough; None: there never were.
        looked_at: mails looked at, old enough to have been heard of.
        unheard: those of them that were not.
        oldest_at: when the oldest of those was accepted.
        silent_since: when the oldest of them was accepted, when it fell silent; None: it is not.
    """

    provider: str
    measured_at: datetime
    usual_seconds: float | None = None
    looked_at: int = 0
    unheard: int = 0
    oldest_at: datetime | None = None
    silent_since: datetime | None = None

    @property
    def patience(self) -> timedelta:
        """How old a mail is of which something should have been heard."""
        return max(LEAST, TIMES * timedelta(seconds=self.usual_seconds or 0))


def measure(before: Silence, mails: Sequence[Heard], *, now: datetime) -> Silence:
    """Return how a provider is heard now.

    With few mails to go by it stays as it was: whoever sends nothing to a silent provider does not make it speak.

    Args:
        before: as it was last measured.
        mails: the latest that are older than `before.patience`.
    """
    heard = sorted(m.after for m in mails if m.after is not None)
    unheard = [m.accepted_at for m in mails if m.after is None]
    usual = heard[int(len(heard) * _USUAL)] if len(heard) >= FEW else before.usual_seconds
    oldest = min(unheard, default=None)
    found = replace(
        before, measured_at=now, usual_seconds=usual, looked_at=len(mails), unheard=len(unheard), oldest_at=oldest
    )
    if len(mails) < FEW:
        return found
    silent = len(unheard) >= SHARE * len(mails)
    return replace(found, silent_since=(before.silent_since or oldest) if silent else None)
