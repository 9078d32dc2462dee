"""Twilio SendGrid, Web API v3: https://www.twilio.com/docs/sendgrid/api-reference/mail-send."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from email.header import Header
from typing import Any, ClassVar

from mailer.address import Address
from mailer.attachment import Attachment
from mailer.delivery import Role
from mailer.errors import ProviderError, Unanswered
from mailer.event import Event, Quarantined
from mailer.ports import Envelope, HttpRequest, HttpResponse, ProviderSetting, Receipt, Verified
from mailer.providers import answers, sendgrid_event, sendgrid_source
from mailer.source import Page, Source, Span
from mailer.suppression import Reason


class SendGrid:
    """Envelope to `POST /v3/mail/send`, its answer to a receipt or an error."""

    name: ClassVar[str] = "sendgrid"
    settings: ClassVar[tuple[ProviderSetting, ...]] = (
        ProviderSetting("SENDGRID_API_KEY", secret=True),
        # The EU's is https://api.eu.sendgrid.com.
        ProviderSetting("MAILER_SENDGRID_URL", "https://api.sendgrid.com"),
        # Public keys; without one its webhooks are refused.
        ProviderSetting("SENDGRID_WEBHOOK_KEY", ""),
    )

    def __init__(self, values: Mapping[str, str]) -> None:
        self._key = values["SENDGRID_API_KEY"]
        self._base = values["MAILER_SENDGRID_URL"].rstrip("/") + "/v3"
        self._url = f"{self._base}/mail/send"
        self._webhook_keys = sendgrid_event.keys(values.get("SENDGRID_WEBHOOK_KEY", ""))

    def request(self, envelope: Envelope) -> HttpRequest:
        """Return the request that sends this envelope."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "X-Request-ID": envelope.request_id,
        }
        body = json.dumps(payload(envelope), ensure_ascii=False, separators=(",", ":")).encode()
        return HttpRequest("POST", self._url, headers, body)

    def receipt(self, response: HttpResponse, *, test: bool = False, now: datetime) -> Receipt:
        """Return the receipt of a 202 (in sandbox mode 200); raise the error of anything else."""
        if response.status == (200 if test else 202):
            return Receipt(answers.printable(response.headers.get("x-message-id", "")), response.status)
        raise error(response, now=now)

    def probe(self) -> HttpRequest:
        """Return the request for the scopes of our key, "mail.send" among them."""
        return self._plain("GET", "scopes")

    def diagnose(self, response: HttpResponse) -> str | None:
        """Return what is wrong with the key: refused, or not allowed to send."""
        if response.status in (401, 403):
            return f"refuses SENDGRID_API_KEY ({response.status}): wrong or revoked key, or a disabled account"
        data = answers.parse(response) if response.status == 200 else None
        if not isinstance(data, dict) or not isinstance(data.get("scopes"), list):
            return answers.unexpected(response)
        return None if "mail.send" in data["scopes"] else "SENDGRID_API_KEY may not send: it lacks the scope mail.send"

    def inquiry(self, _: Envelope) -> None:
        """Return None: it has no list of messages to look into, it tells of each by an event that carries our ids."""
        return

    def found(self, _response: HttpResponse, _envelope: Envelope) -> None:
        """Return None: it is never asked."""
        return

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Verified:
        """Return normally if the webhook is SendGrid's, and lately signed."""
        return sendgrid_event.verify(self._webhook_keys, headers, body, now=now)

    def events(self, body: bytes) -> tuple[list[Event], list[Quarantined]]:
        """Return what a webhook tells of, and the pieces of it that are no event."""
        return sendgrid_event.events(body)

    def sources(self) -> tuple[Source, ...]:
        """Return its lists; what happened to a mail it tells once, by webhook."""
        return sendgrid_source.SOURCES

    def ask(self, source: str, span: Span, *, page: str | None) -> HttpRequest:
        """Return the request for a page of a list."""
        return self._plain("GET", sendgrid_source.path(source, span, page=page))

    def page(self, source: str, span: Span, response: HttpResponse, *, page: str | None, now: datetime) -> Page:  # noqa: ARG002
        """Return a page of a list; raise the error of anything else."""
        if (found := sendgrid_source.read(source, response, page=page)) is None:
            raise _refusal(response, now=now)
        return found

    def removals(self, email: str, reason: Reason) -> tuple[HttpRequest, ...]:
        """Return the requests that take an address off every list of this reason."""
        return tuple(self._plain("DELETE", path) for path in sendgrid_source.removals(email, reason))

    def removed(self, response: HttpResponse, *, now: datetime) -> None:
        """Return normally if the address is not on the list any more, or never was."""
        if response.status not in (204, 404):
            raise _refusal(response, now=now)

    def _plain(self, method: str, path: str) -> HttpRequest:
        return HttpRequest(method, f"{self._base}/{path}", {"Authorization": f"Bearer {self._key}"}, b"")


def payload(envelope: Envelope) -> dict[str, Any]:
    """Return the JSON body: one personalization, since the recipients of one message see each other."""
    message = envelope.message
    people = {role.value: [_person(a) for a in envelope.of(role)] for role in Role}
    content = [("text/plain", message.text), ("text/html", message.html)]
    body: dict[str, Any] = {
        "personalizations": [{role: addresses for role, addresses in people.items() if addresses}],
        "from": _named(message.sender.email, message.sender.name),
        "subject": message.subject,
        "content": [{"type": kind, "value": value} for kind, value in content if value],
        "headers": {**message.headers, "Message-ID": envelope.message_id_header},
        # They come back flat among the fields of an event, hence the prefix.
        "custom_args": {
            "mailer_envelope_id": envelope.id,
            "mailer_attempt_id": envelope.attempt_id,
            "mailer_project_id": envelope.project_id,
        },
        # Said each time, since the account's own settings would decide otherwise.
        **({"mail_settings": {"sandbox_mode": {"enable": True}}} if envelope.test else {}),
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
    }
    if message.reply_to:
        body["reply_to_list"] = [_named(a.email, a.name) for a in message.reply_to]
    if message.attachments:
        body["attachments"] = [_file(a) for a in message.attachments]
    if message.tags:
        body["categories"] = list(message.tags)
    return body


def _person(address: Address) -> dict[str, str]:
    # Documented limitation of to, cc and bcc: `;` and `,` in a name split it.
    return _named(address.email, " ".join((address.name or "").replace(";", " ").replace(",", " ").split()))


def _named(email: str, name: str | None) -> dict[str, str]:
    return {"email": email, "name": name} if name else {"email": email}  # one that is null or empty is refused


def _file(attachment: Attachment) -> dict[str, str]:
    name = attachment.filename
    file = {
        "content": base64.b64encode(attachment.content).decode("ascii"),
        "type": attachment.content_type,
        # A name beyond ASCII arrives garbled unless it is encoded (RFC 2047).
        "filename": name if name.isascii() else Header(name, "utf-8", maxlinelen=10_000).encode(),
        "disposition": "inline" if attachment.content_id else "attachment",
    }
    if attachment.content_id:
        file["content_id"] = attachment.content_id
    return file


def error(response: HttpResponse, *, now: datetime) -> ProviderError:
    """Return what an answer that is not 202 says about the mail.

    Sources: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors; 401 is also "Maximum credits
    exceeded"; 403 is an unverified sender; 200 is given only in sandbox mode, where nothing is sent.
    """
    words = _words(response)
    kind = Unanswered if 200 <= response.status < 300 else answers.error_class(response.status)
    return answers.error(response, kind, words, now=now)


def _refusal(response: HttpResponse, *, now: datetime) -> ProviderError:
    """Return the error of an answer that concerns no mail: its limits are said as the time when they are lifted."""
    found = error(response, now=now)
    if response.status == 429 and found.retry_after is None:
        found.retry_after = sendgrid_source.reset(response, seconds=now.timestamp())
    return found


def _words(response: HttpResponse) -> str:
    data = answers.parse(response)
    errors = data.get("errors") if isinstance(data, dict) else None
    if not isinstance(errors, list):
        return ""
    found = [(e.get("message"), e.get("field")) for e in errors if isinstance(e, dict)]
    return "; ".join(f"{message} ({field})" if field else str(message) for message, field in found)
