"""What whoever delivers an envelope is to do next: nothing, call the next provider, or come back later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailer import delivery
from mailer.delivery import EnvelopeInput
from mailer.ledger import Attempt, Move

# The latest so many calls are told; a mail that is tried for a day has made hundreds.
_TOLD = 6


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more to do now; `status` says how it stands."""

    status: str


@dataclass(frozen=True, slots=True)
class Next:
    """Another provider is to be called at once; `hops` tells a person the way so far."""

    hops: str


@dataclass(frozen=True, slots=True)
class Later:
    """Come back in `seconds` (whole, at least 1)."""

    seconds: int
    hops: str


Step = Finished | Next | Later


def after(move: Move, attempts: Sequence[Attempt], *, now: datetime) -> Step:
    """Return the step that follows a move; `attempts` are all there are, oldest first."""
    if move.input is not EnvelopeInput.RETRY:
        return Finished(delivery.target(move.input))
    if move.next_attempt_at is None:
        return Next(hops(attempts, move.provider or "next"))
    return later(move.next_attempt_at, attempts, "retry", now=now)


def later(at: datetime, attempts: Sequence[Attempt], what: str, *, now: datetime) -> Later:
    """Return the step that comes back at a time."""
    return Later(max(1, math.ceil((at - now).total_seconds())), hops(attempts, what))


def hops(attempts: Sequence[Attempt], what: str) -> str:
    """Return the way so far for a person: `mailgun after sendgrid:401`."""
    told = [f"{a.provider}:{a.error_code or a.status_code}" for a in attempts][-_TOLD:]
    return f"{what} after {', '.join(told)}" if told else what
