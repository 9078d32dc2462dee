"""Mailgun's API v3: messages, the domain, and through files of their own the events and the suppression lists.

Source: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime

from sandbox import mailgun_event, mailgun_rule, mailgun_suppression
from sandbox.inbox import Inbox
from sandbox.mail import Mail, headers_of_interest
from sandbox.mailgun_form import Form, FormError, parse
from sandbox.mailgun_rule import RuleError
from sandbox.suppression import Suppressions
from sandbox.wire import Answer, Request, json_answer, nginx_answer, text_answer

MAX_REQUEST = int(52.4 * 1024 * 1024)

_SEND = re.compile(r"/v3/([^/]+)/messages")
_DOMAIN = re.compile(r"/v3/domains/([^/]+)")
_EVENTS = re.compile(r"/v3/([^/]+)/events(?:/([^/]+))?")
_LISTS = mailgun_suppression.PATH
_ROUTES = (("POST", _SEND), ("GET", _DOMAIN), ("GET", _EVENTS), ("GET", _LISTS), ("DELETE", _LISTS))
_TOO_LARGE = "request size exceeds 52.4MiB limit"


class Mailgun:
    """`POST /v3/{domain}/messages`, `GET /v3/{domain}/events`, the suppression lists and `GET /v3/domains/{domain}`."""

    name = "mailgun"

    def __init__(self, key: str, domain: str, clock: Callable[[], datetime], inbox: Inbox, lists: Suppressions) -> None:
        self._key = key
        self._domain = domain
        self._clock = clock
        self._inbox = inbox
        self._lists = lists

    def receive(self, request: Request) -> tuple[Answer, Sequence[Mail]]:
        """Return the answer and, when it is queued, the mails it makes."""
        routes = [route for method, route in _ROUTES if request.method == method]
        found = ((route, match) for route in routes if (match := route.fullmatch(request.path)))
        route, match = next(found, (None, None))
        if match is None:
            # Whoever mistypes the address gets a 200: the caller must look at the body.
            return text_answer(200, "Mailgun Magnificent API"), ()
        if not self._authorized(request):
            return text_answer(401, "Forbidden"), ()
        if match[1].lower() != self._domain.lower():
            return _message(404, f"Domain not found: {match[1]}"), ()
        if route is _SEND:
            return self._send(request)
        if route is _LISTS:
            return self._suppressions(request, match[2], match[3]), ()
        return (self._about() if route is _DOMAIN else self._events(request, match[2])), ()

    def failure(self, request: Request, status: int, retry_after: int | None) -> Answer:
        """Return Mailgun's own answer of this status; gateways' and unknown ones are nginx's."""
        headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
        match = next((m for _, route in _ROUTES if (m := route.fullmatch(request.path))), None)
        domain = match[1] if match else self._domain
        after = format_datetime(self._clock() + timedelta(seconds=retry_after or 60)).replace("+0000", "UTC")
        refused = (
            f"Domain {domain} is not allowed to send: The domain is unverified and requires DNS configuration. Log"
            " in to your control panel to view required DNS records."
        )
        limited = f"Domain {domain} is not allowed to send: request limit exceeded, try again after {after}"
        messages = {
            400: refused,
            403: refused,
            404: f"Domain not found: {domain}",
            413: _TOO_LARGE,
            429: limited,
            500: "Internal Server Error",
        }
        if status == 401:
            return text_answer(401, "Forbidden", *headers)
        if status in messages:
            return _message(status, messages[status], *headers)
        return Answer(status, headers) if status < 400 else nginx_answer(status, *headers)

    def _authorized(self, request: Request) -> bool:
        expected = b"Basic " + base64.b64encode(f"api:{self._key}".encode())
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), expected)

    def _about(self) -> Answer:
        return json_answer(200, {"domain": {"name": self._domain, "state": "active", "is_disabled": False}})

    def _events(self, request: Request, token: str | None) -> Answer:
        # The paging addresses lead back here, whatever name we were called by.
        base = f"http://{request.headers.get('host', 'localhost')}/v3/{self._domain}/events"
        try:
            asked = mailgun_event.page(request.query, token)
            return json_answer(200, mailgun_event.answer(self._inbox, asked, base=base))
        except mailgun_event.QueryError as error:
            return _message(400, str(error))

    def _suppressions(self, request: Request, name: str, address: str | None) -> Answer:
        base = f"http://{request.headers.get('host', 'localhost')}/v3/{self._domain}/{name}"
        if request.method == "DELETE" and address is None:
            return _message(405, "The sandbox empties no list: name an address")
        try:
            return mailgun_suppression.answer(self._lists, request.method, name, address, request.query, base=base)
        except mailgun_suppression.QueryError as error:
            return _message(400, str(error))

    def _send(self, request: Request) -> tuple[Answer, Sequence[Mail]]:
        if request.size > MAX_REQUEST:
            return _message(413, _TOO_LARGE), ()
        try:
            form = parse(request.headers.get("content-type", ""), request.body)
            mailgun_rule.check(form, self._clock())
        except (FormError, RuleError) as error:
            return _message(400, str(error)), ()
        if mailgun_rule.size(form) > mailgun_rule.MAX_MESSAGE:
            # The documents give 25 MB for the message and a text for the request only.
            return _message(413, _TOO_LARGE), ()
        mail_id = form.header("Message-Id") or f"<{secrets.token_hex(16)}@{self._domain}>"
        answer = json_answer(200, {"id": mail_id, "message": "Queued. Thank you."})
        return answer, () if form.first("o:testmode") == "yes" else mails(form, mail_id, request)


def mails(form: Form, mail_id: str, request: Request) -> list[Mail]:
    """Return the mails that a valid form makes: with recipient-variables one for each `to`, else one."""
    mail = _mail(form, mail_id, request)
    variables = form.first("recipient-variables")
    return _personal(mail, json.loads(variables)) if variables else [mail]


def _mail(form: Form, mail_id: str, request: Request) -> Mail:
    deliver_at = form.first("o:deliverytime")
    return Mail(
        provider="mailgun",
        provider_message_id=mail_id,
        sender=mailgun_rule.people(form, "from")[0],
        to=mailgun_rule.people(form, "to"),
        cc=mailgun_rule.people(form, "cc"),
        bcc=mailgun_rule.people(form, "bcc"),
        subject=form.first("subject"),
        text=form.first("text") or None,
        html=form.first("html") or None,
        headers=form.prefixed("h:"),
        tags=form.values("o:tag"),
        args=form.prefixed("v:"),
        attachments=form.files,
        deliver_at=mailgun_rule.time(deliver_at) if deliver_at else None,
        request=headers_of_interest(request.headers),
    )


def _personal(mail: Mail, variables: dict[str, dict[str, object]]) -> list[Mail]:
    def fill(text: str | None, values: dict[str, object]) -> str | None:
        return text and re.sub(r"%recipient\.([\w-]+)%", lambda m: str(values.get(m[1], m[0])), text)

    personal = [(person, variables.get(person.email, {})) for person in mail.to]
    return [
        replace(
            mail,
            to=(person,),
            subject=fill(mail.subject, values) or "",
            text=fill(mail.text, values),
            html=fill(mail.html, values),
        )
        for person, values in personal
    ]


def _message(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    return json_answer(status, {"message": text}, *headers)
