"""The seams of the core: what a provider is, what a transport is, and the values that pass between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol

from mailer.address import Address
from mailer.api_key import Project
from mailer.delivery import EnvelopeInput, Lane, Role
from mailer.event import Event, Quarantined
from mailer.ledger import Barred, Claim, DeadCall, Due, Move, Overdue, Recipient, Result, Submission, Sweep, Work
from mailer.message import Message
from mailer.source import Page, Source, Span
from mailer.suppression import Reason
from mailer.view import MessageView


@dataclass(frozen=True, slots=True)
class Envelope:
    """What goes to a provider in one call.

    Attributes:
        id: the envelope's id; the task's too, and for a single email the message's.
        attempt_id: of this very call, so that an event can be told to belong to it.
        message: the content and the addresses, as accepted.
        recipients: who gets it through this call.
        request_id: of the HTTP request or task that brought the message in.
        test: to be checked by the provider like any other, and delivered to nobody.
    """

    id: str
    attempt_id: str
    project_id: str
    message: Message
    recipients: tuple[Recipient, ...]
    request_id: str
    test: bool = False

    @classmethod
    def of_work(cls, work: Work, *, attempt_id: str) -> Envelope:
        """Return what one call of this envelope carries."""
        return cls(
            id=work.id,
            attempt_id=attempt_id,
            project_id=work.project_id,
            message=work.message,
            recipients=work.recipients,
            request_id=work.request_id,
            test=work.test,
        )

    def of(self, role: Role) -> list[Address]:
        """Return the addresses with this role, in order."""
        return [r.address for r in self.recipients if r.role is role]

    @property
    def message_id_header(self) -> str:
        """The `Message-ID` header, with its brackets.

        The same at every provider: a mailbox that gets a failed-over mail twice can tell that it is one mail,
        and a provider that lets us ask by it can be asked.
        """
        return f"<{self.id}@{self.message.sender.domain}>"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as a provider wants it; any transport can carry it.

    Attributes:
        deadline: seconds for the whole call, where that is less than the transport's own; None: the transport's own.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer, whatever its status. `headers` are keyed in lower case; `body` is bounded by the transport."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider's yes: its own id for the mail, and the status it said it with."""

    provider_message_id: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a webhook may be taken by once.

    Attributes:
        value: unique for each webhook of its provider.
        until: how long it must be remembered; later the webhook is refused for its age.
    """

    value: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A webhook that was signed by its provider, and lately.

    Attributes:
        token: to be remembered in the transaction that stores the events, so that the retry of a webhook that was not
            stored is no replay; a webhook with a known one is done already. None where the signature covers the body:
            then its events are known by their ids.
    """

    token: Token | None = None


@dataclass(frozen=True, slots=True)
class ProviderSetting:
    """A setting that a provider declares and mailer/settings.py reads for it.

    Attributes:
        name: the environment variable.
        default: used when it is not set; None means that the provider is off without it.
        secret: never shown.
    """

    name: str
    default: str | None = None
    secret: bool = False


class Provider(Protocol):
    """One provider, without I/O. Built with the values of its `settings`."""

    name: ClassVar[str]
    settings: ClassVar[tuple[ProviderSetting, ...]]

    def request(self, envelope: Envelope) -> HttpRequest:
        """Return the request that sends this envelope."""
        ...

    def receipt(self, response: HttpResponse, *, test: bool, now: datetime) -> Receipt:
        """Return the receipt if the answer is the documented yes; to a test mail it may be another.

        Raises:
            ProviderError: the subclass says what is known about the mail.
        """
        ...

    def probe(self) -> HttpRequest:
        """Return a request that sends and changes nothing, whose answer tells whether our key may send."""
        ...

    def diagnose(self, response: HttpResponse) -> str | None:
        """Return what the answer to `probe` says is wrong, in a few words for the operator; None: nothing."""
        ...

    def inquiry(self, envelope: Envelope) -> HttpRequest | None:
        """Return the request that asks whether a mail of this envelope was taken; None if this one cannot be asked."""
        ...

    def found(self, response: HttpResponse, envelope: Envelope) -> str | None:
        """Return the provider's id of the mail if the answer proves that the envelope's attempt was taken."""
        ...

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Verified:
        """Return what keeps this webhook from being taken twice, if its provider has signed it, and lately.

        Args:
            headers: of the request, keyed in lower case.
            body: as it arrived, to the byte.

        Raises:
            InvalidSignature: it is not to be believed; also where no key is set.
        """
        ...

    def events(self, body: bytes) -> tuple[list[Event], list[Quarantined]]:
        """Return what a webhook tells of, and the pieces of it that are no event; raise nothing, whatever it is."""
        ...

    def sources(self) -> tuple[Source, ...]:
        """Return what can be read back: events, if it keeps them, and its lists of whom it does not mail."""
        ...

    def ask(self, source: str, span: Span, *, page: str | None) -> HttpRequest:
        """Return the request for a page of a source: the first, or what the page before named as its next."""
        ...

    def page(self, source: str, span: Span, response: HttpResponse, *, page: str | None, now: datetime) -> Page:
        """Return the page that was asked for.

        Raises:
            ProviderError: this is none; `retry_after` says when to come back.
        """
        ...

    def removals(self, email: str, reason: Reason) -> tuple[HttpRequest, ...]:
        """Return the requests that take an address off every list on which it stands for this reason; may be none."""
        ...

    def removed(self, response: HttpResponse, *, now: datetime) -> None:
        """Return normally if the answer to a removal says that the address is not on the list (any more).

        Raises:
            ProviderError: it may still be.
        """
        ...


class Transport(Protocol):
    """Carries one request and returns the answer, whatever its status."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """Return the answer.

        Raises:
            TemporarilyRefused: the request never left whole, so nobody can have accepted it.
            Unanswered: it left, and no answer came back.
        """
        ...


class AsyncTransport(Protocol):
    """A Transport whose caller does other things meanwhile."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Return the answer.

        Raises:
            TemporarilyRefused: the request never left, so nobody can have accepted it.
            Unanswered: it may have left, and no answer came back.
        """
        ...


class Store(Protocol):
    """The truth about every message. Each method is one transaction; all raise StoreUnavailable.

    What each promises is written where it is kept: mailer/store/__init__.py.
    """

    def submit(self, submissions: Sequence[Submission]) -> dict[str, str]:
        """Store messages; id to the fingerprint of what is stored under it."""
        ...

    def callback_places(self, project_id: str, *, test: bool) -> tuple[str, ...]:
        """Return the URLs at and below which messages may have themselves called back."""
        ...

    def forget_answers(self, *, now: datetime, limit: int) -> int:
        """Delete kept answers that are too old; how many."""
        ...

    def note(self, id: str, *, note_id: str, kind: str, detail: str, now: datetime) -> None:
        """Write down what happened to an envelope, once."""
        ...

    def project(self, id: str) -> Project | None:
        """Return a project."""
        ...

    def load(self, ids: Sequence[str]) -> dict[str, Work]:
        """Return what is known about envelopes."""
        ...

    def claim(self, claims: Sequence[Claim], *, now: datetime) -> set[str]:
        """Move from queued to sending; return the ids that are ours."""
        ...

    def suppress(self, id: str, barred: Sequence[Barred], *, seen: int, now: datetime) -> bool:
        """Let recipients be suppressed; tell whether the envelope was still as it was seen."""
        ...

    def record(self, results: Sequence[Result], *, now: datetime) -> dict[str, EnvelopeInput]:
        """Write outcomes; return what happened to each envelope that followed."""
        ...

    def settle(self, moves: Sequence[Move], *, now: datetime) -> set[str]:
        """Move envelopes that no call is running for; return the ids that moved."""
        ...

    def postpone(self, id: str, *, seen: int, until: datetime, wake_at: datetime, now: datetime) -> bool:
        """Let an envelope wait; tell whether it was still as it was seen."""
        ...

    def hasten(self, ids: Sequence[str], *, at: datetime) -> None:
        """Let the sweep look after these no later than at a time."""
        ...

    def look_again(self, id: str, *, at: datetime) -> None:
        """Let the sweep look after one that waits for news at a time."""
        ...

    def doubt(self, id: str, *, attempt_id: str, wake_at: datetime, now: datetime) -> None:
        """Write down that an attempt's lease was found to be over."""
        ...

    def wake(self, *, lane: Lane, limit: int, now: datetime, again_at: datetime) -> list[Due]:
        """Return envelopes whose wake-up is due, each to one caller."""
        ...

    def overdue(self, *, now: datetime) -> Overdue:
        """Return how much is due that nobody has woken."""
        ...

    def note_sweep(self, sweep: Sweep) -> None:
        """Remember the latest sweep."""
        ...

    def bury(self, id: str, *, note_id: str, reason: str, move: Move | None, now: datetime) -> bool | None:
        """Mark an envelope whose task died; None where this death was noted before."""
        ...

    def deaths(self, id: str) -> int:
        """Return how often an envelope's task has died."""
        ...

    def keep_call(self, call: DeadCall) -> None:
        """Keep a call that died before its message was stored."""
        ...

    def view(self, id: str, *, project_id: str) -> MessageView | None:
        """Return what is known about a message of this project."""
        ...
