"""The values that service and store pass each other: what is to be written, and what is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mailer.address import Address
from mailer.delivery import FINAL, EnvelopeInput, EnvelopeStatus, Lane, OnUnknown, Role
from mailer.message import Message
from mailer.outcome import Outcome
from mailer.suppression import Bar, Reason


@dataclass(frozen=True, slots=True)
class Recipient:
    """One mailbox of an envelope with its role."""

    role: Role
    address: Address


@dataclass(frozen=True, slots=True)
class Barred:
    """A recipient of an envelope, by its position, who is suppressed and not marked as such yet."""

    position: int
    email: str = field(repr=False)
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message to be stored, queued, under the id it will keep."""

    id: str
    project_id: str
    request_id: str
    message: Message
    on_unknown: OnUnknown
    created_at: datetime
    expires_at: datetime
    wake_at: datetime
    test: bool = False

    @property
    def status(self) -> EnvelopeStatus:
        """What it is stored as."""
        return EnvelopeStatus.SCHEDULED if self.message.send_at else EnvelopeStatus.QUEUED


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A request that is to be done once, however often it is made.

    Attributes:
        key: its Idempotency-Key, a name within the project.
        fingerprint: of method, path and body; SHA-256, hex.
        test: whether a test key asks.
    """

    project_id: str
    key: str
    fingerprint: str
    now: datetime
    test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request was answered with: HTTP status and JSON body.

    Attributes:
        replayed: whether this was kept from the first time.
    """

    status: int
    body: Mapping[str, Any]
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call to one provider, as it is known."""

    id: str
    number: int
    round: int
    provider: str
    started_at: datetime
    lease_until: datetime
    possible_duplicate: bool = False
    outcome: Outcome = Outcome.STARTED
    duration_ms: int | None = None
    status_code: int | None = None
    error_code: str | None = None
    error: str | None = None
    provider_message_id: str | None = None
    not_before: datetime | None = None
    doubted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A provider that is left alone: for everything (`scope` empty) or for one From domain."""

    provider: str
    scope: str
    open_until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Everything needed to decide and make the next call of one envelope.

    Attributes:
        message: as it was accepted, with all its addresses.
        recipients: who is to get it: not those who are suppressed.
        barred: who has been suppressed since somebody looked last.
    """

    id: str
    project_id: str
    request_id: str
    lane: Lane
    on_unknown: OnUnknown
    status: EnvelopeStatus
    created_at: datetime
    route: tuple[str, ...]
    attempt_id: str | None
    next_attempt_at: datetime | None
    wake_at: datetime | None
    expires_at: datetime
    test: bool
    message: Message
    recipients: tuple[Recipient, ...]
    attempts: tuple[Attempt, ...]
    breakers: tuple[Breaker, ...]
    barred: tuple[Barred, ...] = ()

    @property
    def unknowns(self) -> int:
        """How many attempts nobody knows the outcome of."""
        return sum(a.outcome is Outcome.UNKNOWN for a in self.attempts)

    @property
    def accepted(self) -> bool:
        """Whether some provider has said yes, be it late."""
        return any(a.outcome is Outcome.ACCEPTED for a in self.attempts)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to do: final, or unknown with no time set and no late yes to take in."""
        unknown = self.status is EnvelopeStatus.UNKNOWN and self.next_attempt_at is None
        return self.status in FINAL or (unknown and not self.accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The atomic move of an envelope from queued to sending, with the attempt that it is for.

    Attributes:
        created_at: when the message was accepted.
        seen: how many attempts there were when this was decided; if there are more by now, the claim fails.
        probes: breakers past their time that this call tries out; if another mail does so already, the claim fails.
        emails: whom the call names, in lower case.
        bars: if one of these holds for one of them by now, the claim fails.
    """

    id: str
    project_id: str
    request_id: str
    created_at: datetime
    route: tuple[str, ...]
    seen: int
    attempt: Attempt
    probes: tuple[Breaker, ...] = ()
    test: bool = False
    emails: tuple[str, ...] = ()
    bars: frozenset[Bar] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What happens to an envelope.

    Attributes:
        next_attempt_at: when it may be claimed again; None: at once, or never if at rest.
        wake_at: when the sweep looks after it; None: at rest.
        reason: why it rests or waits, in a few words; None where all is well.
        provider: who is to be called next, where that is known; for people, the claim decides anew.
        seen: how many attempts there were when this was decided; if there are more by now, nothing happens. None where
            the claim guards it.
    """

    id: str
    input: EnvelopeInput
    next_attempt_at: datetime | None = None
    wake_at: datetime | None = None
    reason: str | None = None
    provider: str | None = None
    seen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of an attempt and what follows.

    Attributes:
        attempt: with its outcome.
        move: what happens to its envelope.
        opened: breakers that this answer opens.
        closed: breakers that this answer closes.
    """

    attempt: Attempt
    move: Move
    opened: tuple[Breaker, ...] = ()
    closed: tuple[Breaker, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An envelope that the sweep wakes."""

    id: str
    lane: Lane
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """What is due and nobody has woken.

    Attributes:
        count: how many, counted up to a bound that is of no interest beyond.
        oldest_at: since when the longest waiting has been due; None: nothing is.
    """

    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What one sweep found and did.

    Attributes:
        seconds: how long it took.
        woken: envelopes published.
        buried: dead tasks accounted for.
        left: what is still due, because a queue is full or the time was over.
        depths: how many messages waited in each queue, by its name, before anything was woken.
    """

    ran_at: datetime
    seconds: float
    woken: int
    buried: int
    left: Overdue
    depths: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadCall:
    """A call of `send_email` that died on the broker before its message was stored.

    Attributes:
        reason: what the broker says of its death, e.g. `rejected`, `delivery_limit`.
        call: its keyword arguments, or under `raw` whatever it was instead.
    """

    id: str
    project_id: str
    request_id: str
    reason: str
    died_at: datetime
    call: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What is to be changed of a message that nobody has taken yet.

    Attributes:
        note: what is written down about it: kind and detail.
        times: its new send_at and expires_at, and whether the latter is its application's choice; None: they stay.
    """

    input: EnvelopeInput
    note: tuple[str, str]
    times: tuple[datetime | None, datetime, bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What a provider has posted, as it came."""

    id: str
    provider: str
    received_at: datetime
    body: bytes = field(repr=False)
