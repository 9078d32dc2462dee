"""Mailgun's webhooks: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import getaddresses
from typing import Any

from mailer import bounce
from mailer.bounce import BounceClass
from mailer.errors import InvalidSignature
from mailer.event import Event, EventType, Quarantined
from mailer.ports import Token, Verified
from mailer.providers import answers, webhook

PROVIDER = "mailgun"
KEY = "MAILGUN_WEBHOOK_KEY"

# A webhook that is not answered with 200 or 406 is tried again for 8 hours.
PAST = timedelta(hours=12)
# A token is remembered for longer than its time is taken, since our clocks may differ.
_REMEMBERED = PAST + timedelta(hours=1)

# Its words and ours; `failed` is told by its severity.
TYPES = {
    "accepted": EventType.ACCEPTED,
    "delivered": EventType.DELIVERED,
    "opened": EventType.OPENED,
    "clicked": EventType.CLICKED,
    "unsubscribed": EventType.UNSUBSCRIBED,
    "complained": EventType.COMPLAINED,
    "rejected": EventType.REJECTED,
}
FAILED = {"temporary": EventType.DEFERRED, "permanent": EventType.BOUNCED}

# A permanent failure with such a `reason` was not tried: the address is on a list of Mailgun's.
_SUPPRESSED = "suppress-"

# `reason` of a failure that says nothing about the address: it gave up after 8 hours, or we were refused.
_TEMPORARY = ("old", "espblock")

_OPENED_OR_CLICKED = {EventType.OPENED, EventType.CLICKED}


def verify(signing_keys: Sequence[str], body: bytes, *, now: datetime) -> Verified:
    """Return the token to be remembered if one of the keys has signed time and token, HMAC with SHA-256.

    The signature does not cover the body that it stands in, so only the token keeps a webhook from being replayed.
    """
    if not signing_keys:
        raise webhook.no_key(KEY)
    data = answers.load(body)
    signed = webhook.part(data, "signature") if isinstance(data, dict) else {}
    timestamp, token, signature = signed.get("timestamp"), signed.get("token"), signed.get("signature")
    if isinstance(timestamp, int):
        timestamp = str(timestamp)  # documented as a text
    if not (isinstance(timestamp, str) and isinstance(token, str) and token and isinstance(signature, str)):
        raise InvalidSignature("timestamp, token or signature is missing", code="malformed")
    at = webhook.signed_at(timestamp, past=PAST, now=now)
    if not any(_is_signed(key, signature, timestamp + token) for key in signing_keys):
        raise InvalidSignature("no key of ours has signed this", code="mismatch")
    return Verified(token=Token(value=token, until=at + _REMEMBERED))


def _is_signed(key: str, signature: str, data: str) -> bool:
    # As bytes: compare_digest raises on a text beyond ASCII, and JSON may hold half surrogates.
    right = hmac.new(key.encode(), data.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return hmac.compare_digest(right.encode(), signature.encode("utf-8", "surrogatepass"))


def events(body: bytes) -> tuple[list[Event], list[Quarantined]]:
    """Return the one event that a body tells of, or what is none."""
    data = answers.load(body)
    if not isinstance(data, dict) or "event-data" not in data:
        return webhook.unreadable(PROVIDER, "is not a JSON object with event-data", body)
    return webhook.read(PROVIDER, [data["event-data"]], event)


def event(data: Mapping[str, Any]) -> Event:
    """Return one event, of a webhook's `event-data`; our ids are among its user-variables.

    Raises:
        ValueError: it is none.
    """
    raw = webhook.word(data.get("event"))
    kind = _kind(raw, data)
    id = webhook.id(data.get("id"))
    if id is None:
        raise webhook.Malformed("has no id")
    status, ours, reject = (webhook.part(data, name) for name in ("delivery-status", "user-variables", "reject"))
    words = webhook.words(status.get("message"), status.get("description"), reject.get("reason"), data.get("reason"))
    return Event(
        type=kind,
        provider=PROVIDER,
        provider_event_id=id,
        provider_message_id=_message_id(data),
        envelope_id=webhook.id(ours.get("mailer_envelope_id")),
        attempt_id=webhook.id(ours.get("mailer_attempt_id")),
        project_id=webhook.id(ours.get("mailer_project_id")),
        recipient=_recipient(kind, data),
        occurred_at=webhook.moment(data.get("timestamp")),
        permanent=data.get("reason") not in _TEMPORARY if kind is EventType.BOUNCED else None,
        bounce_class=_bounce_class(kind, data, words),
        machine=kind in _OPENED_OR_CLICKED and bool(webhook.part(data, "client-info").get("bot")),
        detail=webhook.detail(words),
        url=webhook.url(data.get("url")) if kind is EventType.CLICKED else None,
        raw_type=raw,
    )


def _kind(raw: str, data: Mapping[str, Any]) -> EventType:
    if raw != "failed":
        return TYPES.get(raw, EventType.UNKNOWN)
    kind = FAILED.get(webhook.text(data.get("severity")), EventType.UNKNOWN)
    suppressed = webhook.text(data.get("reason")).startswith(_SUPPRESSED)
    return EventType.REJECTED if kind is EventType.BOUNCED and suppressed else kind


def _message_id(data: Mapping[str, Any]) -> str | None:
    # Without brackets here, with them in the answer that the mail was accepted with.
    found = webhook.id(webhook.part(webhook.part(data, "message"), "headers").get("message-id"))
    return f"<{found.strip('<>')}>" if found else None


def _recipient(kind: EventType, data: Mapping[str, Any]) -> str | None:
    if kind is not EventType.REJECTED or data.get("recipient"):
        return webhook.address(data.get("recipient"))
    # `rejected` is said of the whole mail; where that went to one, of that one.
    to = webhook.part(webhook.part(data, "message"), "headers").get("to")
    people = getaddresses([to]) if isinstance(to, str) and len(to) <= 1_000 else []
    return webhook.address(people[0][1]) if len(people) == 1 else None


def _bounce_class(kind: EventType, data: Mapping[str, Any], words: str) -> BounceClass | None:
    if kind not in FAILED.values():
        return None
    if data.get("reason") == "espblock":
        return BounceClass.BLOCKED
    status = webhook.part(data, "delivery-status")
    return bounce.classify(words, code=webhook.text(status.get("enhanced-code") or status.get("bounce-code"))[:20])
