"""Everything that can go wrong, as one tree.

MailerError
├── ConfigurationError        a setting is missing or wrong; names it
├── Invalid                   what was asked for breaks a rule; carries every problem at once
│   └── InvalidMessage        the message does
├── ForbiddenDestination      we do not POST to this URL; its text says why
├── Conflict                  the id is taken by another message
├── TooLate                   a worker has taken the message already
├── TooBroad                  a question leaves too much to look through
├── KeyInUse                  the first request with this Idempotency-Key is still running
├── KeyReused                 this Idempotency-Key belongs to another request
├── StoreUnavailable          the database did not answer: nothing was stored
│   └── StoreUncertain        it did not answer a commit: nobody knows whether that was stored
├── BrokerUnavailable         the broker did not confirm: nobody was woken
├── InvalidSignature          a webhook that cannot be believed: not signed, not lately, or its key is not set
└── ProviderError             a provider's answer that is not the documented yes
    ├── Rejected              the message's own fault: refused for good, no other provider is tried
    ├── Refused               not accepted; somebody else, or later, may do
    │   ├── AccountRefused    the account's fault: the provider is left alone for a while
    │   ├── SenderRefused     the From domain's fault: left alone for that domain only
    │   └── TemporarilyRefused  for now: rate limit, outage, no connection
    └── Unanswered            the request left and no answer that proves anything came back

One place decides what may be done next: the class. Callers never look at status codes. No error carries
a secret, a body or an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mailer.outcome import Outcome


class MailerError(Exception):
    """The root: catch this to catch whatever this package raises on purpose."""


class ConfigurationError(MailerError):
    """A setting is missing or wrong; the text names the environment variable."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field.

    Attributes:
        pointer: JSON pointer (RFC 6901) into what the caller sent, `""` for the whole document.
        detail: what is wrong, for a person; never the value itself.
        code: the same for a program, e.g. `missing`, `duplicate_recipient`.
    """

    pointer: str
    detail: str
    code: str


class Invalid(MailerError, ValueError):
    """What was asked for breaks one or more rules.

    Attributes:
        problems: every wrong field, in the order of the fields; at least one.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{p.pointer or '(message)'}: {p.detail}" for p in problems))
        self.problems = problems


class InvalidMessage(Invalid):
    """The message breaks one or more rules."""


class ForbiddenDestination(MailerError, ValueError):
    """We do not POST to this URL; the text says why, for a person, and never repeats the URL: it may hold a secret."""


class Conflict(MailerError):
    """This id already belongs to a message with other content; the new one was not stored."""


class TooLate(MailerError):
    """What was to be changed has been taken by a worker, or is over; nothing was changed.

    Attributes:
        state: the message's.
    """

    def __init__(self, text: str, *, state: str) -> None:
        super().__init__(text)
        self.state = state


class TooBroad(MailerError):
    """A question leaves too much to look through; narrow it."""


class KeyInUse(MailerError):
    """The first request with this Idempotency-Key is still running."""


class KeyReused(MailerError):
    """This Idempotency-Key belongs to another request."""


class StoreUnavailable(MailerError):
    """The database did not answer; nothing was stored."""


class StoreUncertain(StoreUnavailable):
    """The database did not answer a commit; what it was asked to store may or may not be stored.

    Attributes:
        id: of the message that it was, where it was one.
    """

    def __init__(self, text: str, *, id: str | None = None) -> None:
        super().__init__(text)
        self.id = id


class BrokerUnavailable(MailerError):
    """The broker did not confirm the publication."""


class InvalidSignature(MailerError):
    """A webhook that is not to be believed; the text tells nothing of it.

    Attributes:
        code: why, short and stable, for logs: `no_key` (the text names the setting), `malformed`, `mismatch`,
            `too_old`, `in_future`.
    """

    def __init__(self, text: str, *, code: str) -> None:
        super().__init__(text)
        self.code = code


class ProviderError(MailerError):
    """A call that did not end in the provider's documented yes.

    Attributes:
        outcome: what is known about the mail now.
        status: HTTP status, None when no answer came.
        code: short and stable, for logs, hops and filters, e.g. `401` or `read_timeout`.
        detail: the provider's own words, shortened, with addresses masked; may be empty.
        retry_after: seconds the provider asked us to wait, None when it did not say.
    """

    outcome: ClassVar[Outcome] = Outcome.UNKNOWN

    def __init__(
        self,
        code: str,
        *,
        status: int | None = None,
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


class Rejected(ProviderError):
    """The message itself is at fault: no provider would take it."""

    outcome = Outcome.REJECTED


class Refused(ProviderError):
    """Certainly not accepted; another provider, or a later time, may do."""

    outcome = Outcome.NOT_ACCEPTED


class AccountRefused(Refused):
    """Our account is at fault (key, credits, disabled): true of every mail at this provider."""


class SenderRefused(Refused):
    """The From address or its domain is not allowed at this provider: true of that domain only."""


class TemporarilyRefused(Refused):
    """Not now: rate limit, overload, no connection."""


class Unanswered(ProviderError):
    """Nobody knows: the provider may or may not have taken the mail."""

    outcome = Outcome.UNKNOWN
