"""Sinch Mailgun, API v3: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from urllib3.filepost import encode_multipart_formdata

from mailer.address import Address
from mailer.delivery import Role
from mailer.errors import ProviderError, SenderRefused, TemporarilyRefused, Unanswered
from mailer.event import Event, Quarantined
from mailer.ports import Envelope, HttpRequest, HttpResponse, ProviderSetting, Receipt, Verified
from mailer.providers import answers, mailgun_event, mailgun_source, webhook
from mailer.source import Page, Source, Span
from mailer.suppression import Reason

# A field of a form: a name, and text or a file as (filename, content, type).
Field = tuple[str, str | tuple[str, bytes, str]]


class Mailgun:
    """Envelope to `POST /v3/{domain}/messages`, its answer to a receipt or an error."""

    name: ClassVar[str] = "mailgun"
    settings: ClassVar[tuple[ProviderSetting, ...]] = (
        ProviderSetting("MAILGUN_API_KEY", secret=True),
        ProviderSetting("MAILGUN_DOMAIN"),
        # The EU's is https://api.eu.mailgun.net.
        ProviderSetting("MAILER_MAILGUN_URL", "https://api.mailgun.net"),
        # "HTTP webhook signing key", not the API key; without one its webhooks are refused.
        ProviderSetting("MAILGUN_WEBHOOK_KEY", "", secret=True),
    )

    def __init__(self, values: Mapping[str, str]) -> None:
        self._auth = base64.b64encode(f"api:{values['MAILGUN_API_KEY']}".encode()).decode("ascii")
        domain = quote(values["MAILGUN_DOMAIN"], safe="")
        self._domain = values["MAILGUN_DOMAIN"]
        self._base = f"{values['MAILER_MAILGUN_URL'].rstrip('/')}/v3/{domain}"
        self._webhook_keys = webhook.keys(values.get("MAILGUN_WEBHOOK_KEY", ""))

    def request(self, envelope: Envelope) -> HttpRequest:
        """Return the request that sends this envelope."""
        body, content_type = encode_multipart_formdata(form(envelope))
        headers = {
            "Authorization": f"Basic {self._auth}",
            "Content-Type": content_type,
            "X-Request-ID": envelope.request_id,
        }
        return HttpRequest("POST", f"{self._base}/messages", headers, body)

    def receipt(self, response: HttpResponse, *, test: bool = False, now: datetime) -> Receipt:  # noqa: ARG002
        """Return the receipt of a 200 that carries an id and says "Queued"; raise the error of anything else.

        Both are checked: a wrong address answers 200 too ("Mailgun Magnificent API").
        """
        data = answers.parse(response) if response.status == 200 else None
        if isinstance(data, dict) and data.get("id") and "Queued" in str(data.get("message")):
            return Receipt(answers.printable(str(data["id"])), response.status)
        raise error(response, now=now)

    def probe(self) -> HttpRequest:
        """Return the request for one event of the domain."""
        return self._plain("GET", "events?limit=1")

    def diagnose(self, response: HttpResponse) -> str | None:
        """Return what is wrong with key, region or domain.

        401 is the plain word Forbidden, for a wrong key and for a wrong region; 404 is a domain that it does not know.
        """
        if response.status in (401, 403):
            return f"refuses MAILGUN_API_KEY ({response.status}): wrong key, or the other region in MAILER_MAILGUN_URL"
        if response.status == 404:
            return f"does not know the domain {self._domain} (404): check MAILGUN_DOMAIN and the region"
        data = answers.parse(response) if response.status == 200 else None
        if isinstance(data, dict) and isinstance(data.get("items"), list):
            return None
        # A wrong address answers 200 too, with other words.
        return answers.unexpected(response)

    def inquiry(self, envelope: Envelope) -> HttpRequest:
        """Return the request for the events of this envelope's `Message-ID`, which Mailgun keeps without brackets.

        Source: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events. The pages are complete
        only after about half an hour, so an empty one proves nothing.
        """
        query = urlencode({"message-id": envelope.message_id_header.strip("<>"), "limit": 50})
        return self._plain("GET", f"events?{query}")

    def found(self, response: HttpResponse, envelope: Envelope) -> str | None:
        """Return the mail's id if an event says that the envelope's very attempt was taken in."""
        data = answers.parse(response) if response.status == 200 else None
        items = data.get("items") if isinstance(data, dict) else None
        for item in items if isinstance(items, list) else ():
            # `rejected` is Mailgun's word for a mail that it did not take after all.
            if isinstance(item, dict) and item.get("event") != "rejected" and _attempt(item) == envelope.attempt_id:
                return envelope.message_id_header
        return None

    def verify(self, _headers: Mapping[str, str], body: bytes, *, now: datetime) -> Verified:
        """Return the token to be remembered if the webhook is Mailgun's, and lately signed."""
        return mailgun_event.verify(self._webhook_keys, body, now=now)

    def events(self, body: bytes) -> tuple[list[Event], list[Quarantined]]:
        """Return what a webhook tells of, and the pieces of it that are no event."""
        return mailgun_event.events(body)

    def sources(self) -> tuple[Source, ...]:
        """Return its events and its lists."""
        return mailgun_source.SOURCES

    def ask(self, source: str, span: Span, *, page: str | None) -> HttpRequest:
        """Return the request for a page of a source."""
        return self._plain("GET", mailgun_source.path(source, span, page=page))

    def page(self, source: str, span: Span, response: HttpResponse, *, page: str | None, now: datetime) -> Page:  # noqa: ARG002
        """Return a page of a source; raise the error of anything else."""
        if (found := mailgun_source.read(source, span, response)) is None:
            raise error(response, now=now)
        return found

    def removals(self, email: str, reason: Reason) -> tuple[HttpRequest, ...]:
        """Return the request that takes an address off the list of this reason."""
        lists = [name for name, listed in mailgun_source.REASONS.items() if listed is reason]
        return tuple(self._plain("DELETE", f"{name}/{quote(email, safe='')}") for name in lists)

    def removed(self, response: HttpResponse, *, now: datetime) -> None:
        """Return normally if the address is not on the list any more, or never was."""
        if not mailgun_source.is_gone(response):
            raise error(response, now=now)

    def _plain(self, method: str, path: str) -> HttpRequest:
        return HttpRequest(method, f"{self._base}/{path}", {"Authorization": f"Basic {self._auth}"}, b"")


def _attempt(event: Mapping[str, Any]) -> str | None:
    ours = event.get("user-variables")
    return ours.get("mailer_attempt_id") if isinstance(ours, dict) else None


def form(envelope: Envelope) -> list[Field]:
    """Return the form's fields.

    No recipient-variables: the `to` of one message see each other, as at every provider.
    """
    message = envelope.message
    fields: list[Field] = [("from", _person(message.sender))]
    fields += [(role.value, _person(a)) for role in Role for a in envelope.of(role)]
    fields.append(("subject", message.subject))
    fields += [(name, value) for name, value in (("text", message.text), ("html", message.html)) if value]
    fields += [(f"h:{name}", value) for name, value in message.headers.items()]
    if message.reply_to:
        fields.append(("h:Reply-To", ", ".join(_person(a) for a in message.reply_to)))
    fields.append(("h:Message-Id", envelope.message_id_header))
    fields += [("o:tag", tag) for tag in message.tags]
    # Said each time, since the domain's own settings would decide otherwise.
    fields += [("o:tracking-clicks", "no"), ("o:tracking-opens", "no")]
    if envelope.test:
        fields.append(("o:testmode", "yes"))
    # Recipients can read these in a header of the mail: ids of ours, nothing else.
    fields += [
        ("v:mailer_envelope_id", envelope.id),
        ("v:mailer_attempt_id", envelope.attempt_id),
        ("v:mailer_project_id", envelope.project_id),
    ]
    for a in message.attachments:
        # An inline image's name is its content id; a file without a name is dropped without a word.
        kind, name = ("inline", a.content_id) if a.content_id else ("attachment", a.filename)
        fields.append((kind, (name, a.content, a.content_type)))
    return fields


def _person(address: Address) -> str:
    if not address.name:
        return address.email
    # Always quoted, so that no punctuation in a name can be taken for another address.
    name = address.name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{address.email}>'


def error(response: HttpResponse, *, now: datetime) -> ProviderError:
    """Return what an answer that is not the documented yes says about the mail.

    "Domain ... is not allowed to send" is the sender's fault with 400 and 403, and a rate limit with 429.
    """
    words = _words(response)
    if response.status in (400, 403) and "is not allowed to send" in words:
        return answers.error(response, SenderRefused, words, now=now)
    if response.status in (400, 403) and "limit exceeded" in words:
        return answers.error(response, TemporarilyRefused, words, now=now)
    kind = Unanswered if 200 <= response.status < 300 else answers.error_class(response.status)
    return answers.error(response, kind, words, now=now)


def _words(response: HttpResponse) -> str:
    data = answers.parse(response)
    if isinstance(data, dict):
        return str(data.get("message", ""))
    # 401 is the plain word Forbidden; a page of HTML says nothing that is worth keeping.
    text = response.body[:200].decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text
