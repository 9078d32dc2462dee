"""SendGrid's Web API v3, as far as sending goes, and its suppression lists.

Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import sendgrid_rule, sendgrid_suppression
from sandbox.mail import Attachment, Mail, Person, headers_of_interest
from sandbox.sendgrid_problem import Problem
from sandbox.suppression import Suppressions
from sandbox.wire import Answer, Request, json_answer, nginx_answer

SEND = "/v3/mail/send"
SCOPES = "/v3/scopes"
_LISTS = (sendgrid_suppression.LIST, sendgrid_suppression.ENTRY, sendgrid_suppression.GLOBAL)


def owns(path: str) -> bool:
    """Tell whether a path is one of SendGrid's."""
    return path in (SEND, SCOPES) or any(pattern.fullmatch(path) for pattern in _LISTS)


MAX_BYTES = 30 * 1024 * 1024
"""Of one request, attachments in base64 included."""

_UNAUTHORIZED = "The provided authorization grant is invalid, expired, or revoked"
_UNVERIFIED = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved."
    " Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity"
    " requirements"
)
_FAILURES = {
    400: Problem("Bad Request", None),
    401: Problem(_UNAUTHORIZED, None),
    403: Problem(_UNVERIFIED, "from"),
    404: Problem("not found", None),
    405: Problem("method not allowed", None),
    415: Problem("Invalid UTF8 in request", None),
    429: Problem("too many requests", None),
    500: Problem("internal server error", None),
}


class SendGrid:
    """`POST /v3/mail/send`, `GET /v3/scopes` and the suppression lists."""

    name = "sendgrid"

    def __init__(self, key: str, clock: Callable[[], datetime], lists: Suppressions) -> None:
        self._key = key
        self._clock = clock
        self._lists = lists

    def receive(self, request: Request) -> tuple[Answer, Sequence[Mail]]:
        """Return the answer and, with a 202, one mail for each personalization."""
        if request.size > MAX_BYTES:
            return nginx_answer(413), ()
        if not owns(request.path):
            return _refusal(404), ()
        if not self._authorized(request):
            return _refusal(401), ()
        if request.path not in (SEND, SCOPES):
            return self._suppressions(request), ()
        if request.method != ("POST" if request.path == SEND else "GET"):
            return _refusal(405), ()
        return self._send(request) if request.path == SEND else (json_answer(200, {"scopes": ["mail.send"]}), ())

    def _suppressions(self, request: Request) -> Answer:
        if match := sendgrid_suppression.LIST.fullmatch(request.path):
            if request.method != "GET":
                return _refusal(405)
            try:
                return json_answer(200, sendgrid_suppression.listed(self._lists, match[1], request.query))
            except sendgrid_suppression.QueryError as error:
                return _errors(400, error.problems)
        if request.method != "DELETE":
            return _refusal(405)
        match = sendgrid_suppression.ENTRY.fullmatch(request.path)
        name, address = (match[1], match[2]) if match else ("unsubscribes", request.path.rpartition("/global/")[2])
        return Answer(204) if self._lists.delete("sendgrid", name, address) else _refusal(404)

    def failure(self, request: Request, status: int, retry_after: int | None) -> Answer:  # noqa: ARG002 - the Protocol's
        """Return SendGrid's own answer of this status; gateways' and unknown ones are nginx's."""
        headers = [] if retry_after is None else [("Retry-After", str(retry_after))]
        if status == 429:
            reset = int(self._clock().timestamp()) + (retry_after or 60)
            limits = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
            headers += limits.items()
        if status in _FAILURES:
            return _refusal(status, *headers)
        return Answer(status, tuple(headers)) if status < 400 else nginx_answer(status, *headers)

    def _authorized(self, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {self._key}".encode())

    def _send(self, request: Request) -> tuple[Answer, Sequence[Mail]]:
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return _errors(415, [Problem("Content-Type should be application/json.", None)]), ()
        try:
            payload = _parse(_plain(request))
        except UnicodeError:
            return _refusal(415), ()
        except (ValueError, RecursionError):
            return _refusal(400), ()
        problems = sendgrid_rule.check(payload, self._clock())
        if problems:
            return _errors(400, problems), ()
        if payload.get("mail_settings", {}).get("sandbox_mode", {}).get("enable") is True:
            return Answer(200), ()
        mail_id = secrets.token_urlsafe(16)
        return Answer(202, (("X-Message-Id", mail_id),)), mails(payload, mail_id, request)


def mails(payload: dict[str, Any], mail_id: str, request: Request) -> list[Mail]:
    """Return the mails that a valid payload makes: one for each personalization."""
    return [_mail(payload, personalization, mail_id, request) for personalization in payload["personalizations"]]


def _mail(payload: dict[str, Any], personal: dict[str, Any], mail_id: str, request: Request) -> Mail:
    values = personal.get("substitutions", {})
    # Of two blocks of one type the last one is shown.
    content = {block["type"].lower(): _substitute(block["value"], values) for block in payload["content"]}
    send_at = personal.get("send_at", payload.get("send_at"))
    return Mail(
        provider="sendgrid",
        provider_message_id=mail_id,
        sender=_person(personal.get("from", payload["from"])),
        to=_people(personal["to"]),
        cc=_people(personal.get("cc", [])),
        bcc=_people(personal.get("bcc", [])),
        subject=_substitute(personal.get("subject") or payload["subject"], values),
        text=content.get("text/plain"),
        html=content.get("text/html"),
        headers={**_reply_to(payload), **payload.get("headers", {}), **personal.get("headers", {})},
        tags=tuple(payload.get("categories", ())),
        args={**payload.get("custom_args", {}), **personal.get("custom_args", {})},
        attachments=tuple(_attachment(a) for a in payload.get("attachments", ())),
        deliver_at=None if send_at is None else _time(send_at),
        request=headers_of_interest(request.headers),
    )


def _time(seconds: int) -> datetime:
    # A moment long past is as good as now, and may lie before what a datetime can say.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=max(0, seconds))


def _person(value: dict[str, str]) -> Person:
    return Person(value["email"], value.get("name", ""))


def _people(values: list[dict[str, str]]) -> tuple[Person, ...]:
    return tuple(_person(v) for v in values)


def _reply_to(payload: dict[str, Any]) -> dict[str, str]:
    people = payload.get("reply_to_list") or ([payload["reply_to"]] if "reply_to" in payload else [])
    shown = [f"{p['name']} <{p['email']}>" if "name" in p else p["email"] for p in people]
    return {"Reply-To": ", ".join(shown)} if shown else {}


def _attachment(value: dict[str, str]) -> Attachment:
    return Attachment(
        filename=value["filename"],
        content_type=value.get("type", "application/octet-stream"),
        content_id=value.get("content_id") if value.get("disposition") == "inline" else None,
        content=base64.b64decode(value["content"]),
    )


def _substitute(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _plain(request: Request) -> bytes:
    """Return the body, unpacked if it came as gzip. Raises ValueError when that fails or it grows too long."""
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return request.body
    try:
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        body = unpacker.decompress(request.body, MAX_BYTES)
    except zlib.error as error:
        raise ValueError("not gzip") from error
    if not unpacker.eof:
        raise ValueError("gzip ends too early or grows too long")
    return body


def _parse(body: bytes) -> Any:
    """Return the parsed JSON. Raises ValueError, which for characters that do not exist is UnicodeError."""
    payload = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    if b"\\u" in body:
        json.dumps(payload, ensure_ascii=False).encode("utf-8")  # half of a surrogate pair has no UTF-8
    return payload


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _refusal(status: int, *headers: tuple[str, str]) -> Answer:
    return _errors(status, [_FAILURES[status]], *headers)


def _errors(status: int, problems: Sequence[Problem], *headers: tuple[str, str]) -> Answer:
    return json_answer(status, {"errors": [p.as_dict() for p in problems]}, *headers)
