"""States of an envelope and of a delivery, and the total table of what each input does to each state.

The store derives its conditional updates from these tables (`sources`), so that what is legal stands in one place.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from mailer.outcome import Outcome


class Lane(StrEnum):
    """Which queue, workers and share of a provider's rate a message uses."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


class Role(StrEnum):
    """The role of a recipient: `to` and `cc` see each other, `bcc` is hidden."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"


class OnUnknown(StrEnum):
    """What to do when nobody knows whether a provider took the mail.

    `failover`: send it through another provider; a duplicate is better than a lost password reset.
    `wait`: wait for news from the provider, fail over after a deadline.
    `fail`: rest as `unknown`, for a person to decide.
    """

    FAILOVER = "failover"
    WAIT = "wait"
    FAIL = "fail"


class EnvelopeStatus(StrEnum):
    """The state of the sending of one envelope."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class EnvelopeInput(StrEnum):
    """What can happen to an envelope."""

    CLAIM = "claim"  # a worker takes it and will call a provider
    ACCEPT = "accept"  # a provider took it, whether the answer came in time or late
    RETRY = "retry"  # not accepted (or unknown, under `failover`): another call will follow
    WAIT = "wait"  # unknown; rests until news or the deadline
    GIVE_UP = "give_up"  # no call will follow and some attempt is unknown
    FAIL = "fail"  # refused for good, or nobody left to ask
    EXPIRE = "expire"  # expires_at has passed and nothing is unknown
    CANCEL = "cancel"  # its application does not want it sent any more
    SCHEDULE = "schedule"  # its application wants it sent later than now
    RELEASE = "release"  # its application wants it sent now after all
    REPLAY = "replay"  # it was at rest without a yes, and a person wants it sent after all


class DeliveryStatus(StrEnum):
    """What became of one message for one recipient."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


_S, _I = EnvelopeStatus, EnvelopeInput

# Every (state, input) that moves; all the others leave the state as it is: events come late and twice.
_MOVES: dict[tuple[EnvelopeStatus, EnvelopeInput], EnvelopeStatus] = {
    (_S.QUEUED, _I.CLAIM): _S.SENDING,
    # Once its time has come.
    (_S.SCHEDULED, _I.CLAIM): _S.SENDING,
    # An envelope that waits for news is claimed again once its deadline has passed.
    (_S.UNKNOWN, _I.CLAIM): _S.SENDING,
    (_S.SENDING, _I.ACCEPT): _S.ACCEPTED,
    # A late yes: the attempt had been given up as unknown, the next one has not gone out yet.
    (_S.QUEUED, _I.ACCEPT): _S.ACCEPTED,
    (_S.UNKNOWN, _I.ACCEPT): _S.ACCEPTED,
    (_S.SENDING, _I.RETRY): _S.QUEUED,
    # A late no: nothing is unknown any more, so it may go on, or fail for good.
    (_S.UNKNOWN, _I.RETRY): _S.QUEUED,
    (_S.UNKNOWN, _I.FAIL): _S.FAILED,
    (_S.SENDING, _I.WAIT): _S.UNKNOWN,
    (_S.SENDING, _I.GIVE_UP): _S.UNKNOWN,
    (_S.QUEUED, _I.GIVE_UP): _S.UNKNOWN,
    (_S.UNKNOWN, _I.GIVE_UP): _S.UNKNOWN,
    (_S.SENDING, _I.FAIL): _S.FAILED,
    (_S.QUEUED, _I.FAIL): _S.FAILED,
    (_S.SCHEDULED, _I.FAIL): _S.FAILED,
    (_S.SENDING, _I.EXPIRE): _S.EXPIRED,
    (_S.QUEUED, _I.EXPIRE): _S.EXPIRED,
    (_S.SCHEDULED, _I.EXPIRE): _S.EXPIRED,
    # The store lets these pass only where no call has been made that may have succeeded.
    (_S.QUEUED, _I.CANCEL): _S.CANCELED,
    (_S.SCHEDULED, _I.CANCEL): _S.CANCELED,
    (_S.QUEUED, _I.SCHEDULE): _S.SCHEDULED,
    (_S.SCHEDULED, _I.SCHEDULE): _S.SCHEDULED,
    (_S.QUEUED, _I.RELEASE): _S.QUEUED,
    (_S.SCHEDULED, _I.RELEASE): _S.QUEUED,
    # The only way out of a final state, and a person's decision. The store leaves out an `unknown` that waits for news.
    (_S.FAILED, _I.REPLAY): _S.QUEUED,
    (_S.UNKNOWN, _I.REPLAY): _S.QUEUED,
    (_S.EXPIRED, _I.REPLAY): _S.QUEUED,
}

# Final for the sending: no call will follow by itself. `unknown` is final where no wake-up time is set.
FINAL = frozenset({_S.ACCEPTED, _S.FAILED, _S.CANCELED, _S.EXPIRED})

# What the end of the sending says of its recipients, where no event has said more.
DELIVERY_AT: dict[EnvelopeStatus, DeliveryStatus] = {
    _S.SCHEDULED: DeliveryStatus.QUEUED,
    _S.QUEUED: DeliveryStatus.QUEUED,
    _S.SENDING: DeliveryStatus.QUEUED,
    _S.ACCEPTED: DeliveryStatus.ACCEPTED,
    _S.UNKNOWN: DeliveryStatus.UNKNOWN,
    _S.FAILED: DeliveryStatus.FAILED,
    _S.CANCELED: DeliveryStatus.CANCELED,
    _S.EXPIRED: DeliveryStatus.EXPIRED,
}

# States of a delivery that come from the sending alone, so the sending may still change them.
BEFORE_EVENTS = frozenset({DeliveryStatus.QUEUED, DeliveryStatus.UNKNOWN})

# States of a delivery that come from the end of the sending, so a replay takes them back; and those who were left out
# of it, since that is decided anew before every call.
BEFORE_REPLAY = frozenset(DELIVERY_AT[status] for (status, event) in _MOVES if event is EnvelopeInput.REPLAY) | {
    DeliveryStatus.SUPPRESSED
}


# What events say of a recipient, the weightiest last. Events come late, twice and in any order, so a state never goes
# back: of two the one further down holds. What comes from the sending alone gives way to all of them.
_WEIGHT = (
    DeliveryStatus.ACCEPTED,
    DeliveryStatus.DEFERRED,
    DeliveryStatus.REJECTED,
    DeliveryStatus.DELIVERED,
    DeliveryStatus.BOUNCED,
    DeliveryStatus.COMPLAINED,
)


def outweighed(status: DeliveryStatus) -> frozenset[DeliveryStatus]:
    """Return the states of a recipient that an event which says this takes the place of."""
    return frozenset(DeliveryStatus) - set(_WEIGHT[_WEIGHT.index(status) :])


def after_all(
    outcome: Outcome, event: EnvelopeInput, others: Collection[Outcome], *, in_time: bool
) -> EnvelopeInput | None:
    """Return what really follows an answer, given what is known of the envelope's other attempts; None for nothing.

    Args:
        outcome: of this answer.
        event: what would follow if nothing had changed since its call was decided.
        others: the outcomes of all other attempts, as they are known by now.
        in_time: whether the answer came before its attempt was given up as unknown.
    """
    known = {outcome, *others}
    open_questions = bool(known & {Outcome.UNKNOWN, Outcome.STARTED})
    if Outcome.ACCEPTED in known:
        return EnvelopeInput.ACCEPT
    if Outcome.REJECTED in known and not open_questions:
        return EnvelopeInput.FAIL
    if in_time:
        return event
    # Late: only a no that leaves nothing unknown says anything new.
    return EnvelopeInput.RETRY if event is EnvelopeInput.RETRY and not open_questions else None


def move(status: EnvelopeStatus, event: EnvelopeInput) -> EnvelopeStatus:
    """Return the state after `event`; the same state where it says nothing new."""
    return _MOVES.get((status, event), status)


def sources(event: EnvelopeInput) -> frozenset[EnvelopeStatus]:
    """Return the states that `event` moves (or, for a repeated GIVE_UP, touches)."""
    return frozenset(status for status, what in _MOVES if what is event)


def target(event: EnvelopeInput) -> EnvelopeStatus:
    """Return the one state that `event` leads to from wherever it moves at all."""
    (status,) = {to for (_, what), to in _MOVES.items() if what is event}
    return status
