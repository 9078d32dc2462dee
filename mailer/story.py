"""The story of one message: everything that is known of it, in order of time. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer import masking
from mailer.delivery import FINAL, EnvelopeStatus
from mailer.ledger import Attempt
from mailer.outcome import Outcome
from mailer.view import MessageView, Told

# A pause worth telling: shorter ones are the broker's and the worker's own time.
_PAUSE = timedelta(seconds=2)
_SHOWN_RECIPIENTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What happened to an envelope beside its attempts."""

    at: datetime
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A message with all that happened to it."""

    message: MessageView
    route: tuple[str, ...]
    wake_at: datetime | None
    notes: tuple[Note, ...]
    events: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a story: when, what kind of thing (`accepted`, `attempt`, `pause`, a note's kind, ...), and what."""

    at: datetime
    kind: str
    text: str


def tell(story: Story, *, now: datetime) -> list[Line]:
    """Return the story in order of time, its present state last."""
    m = story.message
    happened = [
        *_attempts(story),
        *(Line(n.at, n.kind, masking.text(n.detail)) for n in story.notes),
        *(Line(e.at, e.type, _event(e)) for e in story.events),
    ]
    # Sorted by time alone: what happened at one moment stays in the order in which it is told.
    return [
        Line(m.created_at, "accepted", _acceptance(m)),
        *sorted(happened, key=lambda line: line.at),
        _present(story, now=now),
    ]


def at_rest(story: Story) -> bool:
    """Tell whether nothing will happen by itself any more."""
    m = story.message
    return m.status in FINAL or (m.status is EnvelopeStatus.UNKNOWN and m.next_attempt_at is None)


def people(message: MessageView) -> str:
    """Return the recipients masked, the first few of them."""
    shown = [f"{r.role} {masking.address(r.email)}" for r in message.recipients[:_SHOWN_RECIPIENTS]]
    more = len(message.recipients) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _acceptance(m: MessageView) -> str:
    words = [f"request {m.request_id}", f"lane {m.lane}", f"on_unknown {m.on_unknown}", people(m)]
    words[2:2] = [f"stream {m.stream}"] if m.stream != m.lane else []
    return ", ".join([*words, *(["suppressions ignored"] if m.ignore_suppressions else [])])


def _attempts(story: Story) -> Iterator[Line]:
    before: datetime | None = None
    for a in story.message.attempts:
        if before is not None and a.started_at - before > _PAUSE:
            yield Line(before, "pause", f"waited {_seconds(a.started_at - before)}")
        yield Line(a.started_at, "attempt", _attempt(a))
        if a.outcome is not Outcome.STARTED:
            before = a.started_at + timedelta(milliseconds=a.duration_ms or 0)
        if a.doubted_at is not None:
            yield Line(a.doubted_at, "doubted", f"attempt {a.number}: no answer when its lease was over")
        if _late(a):
            at = a.started_at + timedelta(milliseconds=a.duration_ms or 0)
            yield Line(at, "late", f"attempt {a.number}: its answer ({a.outcome}) came late")


def _event(told: Told) -> str:
    who = masking.address(told.recipient) if told.recipient else "nobody named"
    words = [f"{told.provider}: {who}"]
    words += [told.bounce_class] if told.bounce_class else []
    words += ["by a machine"] if told.machine else []
    words += [f"({masking.text(told.detail)})"] if told.detail else []
    return " ".join(words)


def _late(a: Attempt) -> bool:
    answered = a.duration_ms is not None and a.outcome in (Outcome.ACCEPTED, Outcome.NOT_ACCEPTED, Outcome.REJECTED)
    return answered and a.started_at + timedelta(milliseconds=a.duration_ms or 0) > a.lease_until


def _attempt(a: Attempt) -> str:
    words = [f"{a.number}. {a.provider}"]
    words.append("calling" if a.outcome is Outcome.STARTED else str(a.outcome))
    if a.status_code is not None:
        words.append(str(a.status_code))
    if a.error_code is not None and a.error_code != str(a.status_code):
        words.append(a.error_code)
    if a.duration_ms is not None:
        words.append(f"after {a.duration_ms} ms")
    # Mailgun's is our own Message-ID, which looks like an address.
    if a.provider_message_id and "@" not in a.provider_message_id:
        words.append(f"as {a.provider_message_id}")
    if a.error:
        words.append(f"({a.error})")
    if a.possible_duplicate:
        words.append("- a possible duplicate")
    return masking.text(" ".join(words))


def _present(story: Story, *, now: datetime) -> Line:
    m = story.message
    because = f" ({m.reason})" if m.reason else ""
    if at_rest(story):
        return Line(m.updated_at, "rests", f"rests as {m.status}{because}{_doubt(m)}")
    if story.wake_at is not None and story.wake_at < now:
        return Line(now, "overdue", f"{m.status}{because}, and nobody woke it for {_seconds(now - story.wake_at)}")
    if m.next_attempt_at is not None and m.next_attempt_at > now:
        word = "waits for news, or" if m.status is EnvelopeStatus.UNKNOWN else "waits for"
        return Line(now, "waits", f"{word} its next attempt in {_seconds(m.next_attempt_at - now)}{because}")
    return Line(
        now, str(m.status), f"{m.status}{because}, to be given up at {m.expires_at.isoformat(timespec='seconds')}"
    )


def _doubt(m: MessageView) -> str:
    unknown = sum(a.outcome is Outcome.UNKNOWN for a in m.attempts)
    return f"; of {unknown} of its attempts nobody knows the outcome" if unknown else ""


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():,.1f} s"
