"""What the service cannot do for a Django message."""

from __future__ import annotations

from mailer.errors import MailerError


class UnsupportedFeature(MailerError, ValueError):
    """The message says something that the service cannot; nothing was sent."""
