"""A delivery service for email: hand it over once, and it is our responsibility from then on.

For applications: `send_email.delay(...)` through the broker, `Mailer(url, api_key)` and `AsyncMailer` over HTTP, each
loaded on first use, so that importing this package costs nothing. For Django mailer.django, for logging mailer.handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailer.client.blocking import Mailer
    from mailer.client.coroutine import AsyncMailer
    from mailer.client.error import (
        Backlog,
        Busy,
        Forbidden,
        FromNotAllowed,
        IdempotencyKeyInUse,
        IdempotencyKeyReused,
        InternalError,
        InvalidRequest,
        MissingScope,
        NetworkNotAllowed,
        NoAnswer,
        NotFound,
        PreconditionFailed,
        RateLimited,
        ServiceError,
        TooBroad,
        TooLarge,
        TooLate,
        Unauthorized,
        Unavailable,
        Uncertain,
        UnreadableAnswer,
    )
    from mailer.client.task import send_email
    from mailer.errors import BrokerUnavailable, ConfigurationError, InvalidMessage, MailerError

__all__ = [
    "AsyncMailer",
    "Backlog",
    "BrokerUnavailable",
    "Busy",
    "ConfigurationError",
    "Forbidden",
    "FromNotAllowed",
    "IdempotencyKeyInUse",
    "IdempotencyKeyReused",
    "InternalError",
    "InvalidMessage",
    "InvalidRequest",
    "Mailer",
    "MailerError",
    "MissingScope",
    "NetworkNotAllowed",
    "NoAnswer",
    "NotFound",
    "PreconditionFailed",
    "RateLimited",
    "ServiceError",
    "TooBroad",
    "TooLarge",
    "TooLate",
    "Unauthorized",
    "Unavailable",
    "Uncertain",
    "UnreadableAnswer",
    "send_email",
]

# The one place: pyproject.toml and the API's description read it here.
__version__ = "0.1.0"

_HOMES = {
    "send_email": "mailer.client.task",
    "Mailer": "mailer.client.blocking",
    "AsyncMailer": "mailer.client.coroutine",
    "BrokerUnavailable": "mailer.errors",
    "ConfigurationError": "mailer.errors",
    "InvalidMessage": "mailer.errors",
    "MailerError": "mailer.errors",
}
_ELSEWHERE = "mailer.client.error"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mailer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, _ELSEWHERE)), name)
