"""Django's email through the service: `EMAIL_BACKEND = "mailer.django.EmailBackend"`.

Settings: `MAILER_URL`, `MAILER_API_KEY`, and `MAILER_TIMEOUT` (seconds, 10). What Django's messages can say and the
service cannot is refused with `UnsupportedFeature`, never dropped. The service's own options are an attribute:

    message.mailer = {"tags": ["invoice"], "metadata": {"order": "7"}, "lane": "bulk", "idempotency_key": "invoice-7"}
    message.send()
    message.mailer_id       # for Mailer.get
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend

from mailer.client.blocking import Mailer
from mailer.django.message import UnsupportedFeature, fields
from mailer.errors import ConfigurationError, MailerError
from mailer.ports import Transport

__all__ = ["EmailBackend", "UnsupportedFeature"]

_TIMEOUT = 10.0


class EmailBackend(BaseEmailBackend):
    """Hands Django's messages to the service; between `open` and `close` over one connection.

    Args:
        url, api_key, timeout: instead of the settings, e.g. by `get_connection(url=...)`.
        fail_silently: what the service refuses, and a service that is away, count as not sent instead of raising.
            A message that cannot be translated raises all the same, as Django's own BadHeaderError does: it is the
            program's mistake, and the same each time.

    Raises:
        ImproperlyConfigured: a setting is missing or wrong.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float | None = None,
        fail_silently: bool = False,
        transport: Transport | None = None,
        **options: Any,
    ) -> None:
        super().__init__(fail_silently=fail_silently, **options)
        seconds = float(timeout or getattr(settings, "MAILER_TIMEOUT", None) or _TIMEOUT)
        try:
            self._mailer = Mailer(
                url or _setting("MAILER_URL"), api_key or _setting("MAILER_API_KEY"),
                # Whoever waits here is mostly a person behind a web request.
                timeout=seconds, deadline=3 * seconds, transport=transport,
            )  # fmt: skip
        except ConfigurationError as error:
            raise ImproperlyConfigured(str(error)) from None
        self._open = False

    def open(self) -> bool:
        """Keep the connection until `close`; return whether it was not kept already."""
        was, self._open = self._open, True
        return not was

    def close(self) -> None:
        """Close the connection."""
        self._open = False
        self._mailer.close()

    def send_messages(self, email_messages: Any) -> int:
        """Send messages; return how many the service has taken. Each of those has its id as `mailer_id`.

        Raises:
            UnsupportedFeature: a message says something that the service cannot.
            InvalidMessage: the service refuses a field of it.
            ServiceError: the service refuses it, or does not answer.
        """
        opened = self.open()
        try:
            return sum(self._send(message) for message in email_messages)
        finally:
            if opened:
                self.close()

    def _send(self, message: Any) -> bool:
        if not message.recipients():
            return False
        given = fields(message)
        try:
            message.mailer_id = self._mailer.send(**given)
        except MailerError:
            if not self.fail_silently:
                raise
            return False
        return True


def _setting(name: str) -> str:
    found = getattr(settings, name, None)
    if not found:
        raise ImproperlyConfigured(f"{name} is not set")
    return str(found)
