"""What the service's answers over HTTP can mean for a caller, as one tree.

ServiceError                  the service did not do what was asked
├── Unauthorized              no valid API key
├── Forbidden                 the key may not
│   ├── MissingScope          do this; names the scope
│   ├── NetworkNotAllowed     be used from here
│   └── FromNotAllowed        send from this domain
├── NotFound                  there is nothing here
├── TooLate                   the message is being sent, or has been; names its state
├── PreconditionFailed        it has changed since you looked
├── InvalidRequest            the request is wrong; names every problem
│   ├── TooLarge              by its size
│   ├── TooBroad              it leaves too much to look through
│   └── IdempotencyKeyReused  its key has named another request
├── IdempotencyKeyInUse       the same request is still running            (asked again)
├── RateLimited               too many requests                            (asked again)
├── Unavailable               not now                                      (asked again)
│   ├── Uncertain             it may have been stored; names the id        (asked again)
│   ├── Backlog               too much is waiting already                  (asked again)
│   └── Busy                  too many lists are asked for at once         (asked again)
├── NoAnswer                  no connection, or no answer                  (asked again)
├── InternalError             a fault of the service's, which has been reported
└── UnreadableAnswer          whoever answered is not this service

A message that is not valid is `InvalidMessage`, a sibling under `MailerError`. What is *asked again* has been asked
`retries` times already when it reaches the caller. No error carries a key, a body or an address of a mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mailer.errors import MailerError, Problem


class ServiceError(MailerError):
    """The service did not do what was asked.

    Attributes:
        temporary: whether the same request may succeed later.
        status: HTTP status, None when no answer came.
        problem: the problem+json body (RFC 9457), empty when there was none.
        retry_after: seconds that the service asks to wait, None when it does not say.
    """

    temporary: ClassVar[bool] = False

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.problem = dict(problem or {})
        self.retry_after = retry_after

    @property
    def request_id(self) -> str | None:
        """By which the operator finds the request in the logs."""
        return self._said("request_id")

    @property
    def certain(self) -> bool:
        """Whether it is certain that nothing was done."""
        return self.status is not None and 400 <= self.status < 500

    def _said(self, name: str) -> str | None:
        found = self.problem.get(name)
        return found if isinstance(found, str) else None


class Unauthorized(ServiceError):
    """The API key is missing, wrong, revoked or expired."""


class Forbidden(ServiceError):
    """The API key may not do this."""


class MissingScope(Forbidden):
    """The key lacks a scope."""

    @property
    def scope(self) -> str | None:
        """The one that is needed."""
        return self._said("scope")


class NetworkNotAllowed(Forbidden):
    """The key may not be used from this network address."""


class FromNotAllowed(Forbidden):
    """The key may not send from this domain."""


class NotFound(ServiceError):
    """There is nothing here, or nothing that belongs to the key's project."""


class TooLate(ServiceError):
    """The message can no longer be changed or canceled; nothing was changed."""

    @property
    def state(self) -> str | None:
        """What the message is: `sending`, `accepted`, ..."""
        return self._said("state")


class PreconditionFailed(ServiceError):
    """It has changed since the ETag in `if_match` was read."""


class InvalidRequest(ServiceError):
    """The service does not understand the request, or not all of it."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every wrong field or parameter; empty where it is the request as a whole."""
        return problems(self.problem)


class TooLarge(InvalidRequest):
    """The body is larger than the service takes."""


class TooBroad(InvalidRequest):
    """The conditions of a list leave too much to look through; a time span helps."""


class IdempotencyKeyReused(InvalidRequest):
    """This key named another request within the last 24 hours."""


class IdempotencyKeyInUse(ServiceError):
    """A request with this key is still running; its answer will be this one's."""

    temporary = True

    @property
    def certain(self) -> bool:
        """Nobody knows yet."""
        return False


class RateLimited(ServiceError):
    """Too many requests; nothing was done."""

    temporary = True


class Unavailable(ServiceError):
    """The service cannot take it now."""

    temporary = True

    @property
    def certain(self) -> bool:
        """Whether the service itself says so: a proxy that answers 503 knows nothing of what is behind it."""
        return str(self.problem.get("type")).endswith(("/problems/unavailable", "/problems/backlog", "/problems/busy"))


class Uncertain(Unavailable):
    """The service cannot say whether the message was stored.

    Repeat it with the same idempotency key, or `get(error.id)`: `NotFound` means that it was not.
    """

    @property
    def id(self) -> str | None:
        """Of the message, if it was stored."""
        return self._said("id")


class Backlog(Unavailable):
    """Too much is waiting to be sent already; nothing was stored."""


class Busy(Unavailable):
    """Too many lists are asked for at once."""


class NoAnswer(ServiceError):
    """There was no connection, or no answer came back over it.

    Attributes:
        left: whether the request may have arrived.
    """

    temporary = True

    def __init__(self, text: str, *, left: bool, status: int | None = None) -> None:
        super().__init__(text, status=status)
        self.left = left

    @property
    def certain(self) -> bool:
        """Whether the request never left."""
        return not self.left


class InternalError(ServiceError):
    """A fault of the service's. It has been reported; what was asked may or may not have been done."""


class UnreadableAnswer(ServiceError):
    """The answer is not one of this service's: a wrong address, or something between."""


def problems(problem: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return every wrong field that a problem+json body names."""
    found = problem.get("errors")
    wrong = [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
    return tuple(Problem(str(e.get("pointer", "")), str(e.get("detail", "")), str(e.get("code", ""))) for e in wrong)
