"""A delivery service for email: hand it over once, and it is our responsibility from then on.

For applications: `send_email.delay(...)` through the broker, and `Mailer(url, api_key)` over HTTP. Both are loaded on
first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailer.client import Mailer, ServiceError
    from mailer.client.task import send_email
    from mailer.errors import BrokerUnavailable, InvalidMessage, MailerError

__all__ = ["BrokerUnavailable", "InvalidMessage", "Mailer", "MailerError", "ServiceError", "send_email"]

# The one place: pyproject.toml and the API's description read it here.
__version__ = "0.1.0"

_HOMES = {
    "send_email": "mailer.client.task",
    "Mailer": "mailer.client",
    "ServiceError": "mailer.client",
    "BrokerUnavailable": "mailer.errors",
    "InvalidMessage": "mailer.errors",
    "MailerError": "mailer.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mailer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
