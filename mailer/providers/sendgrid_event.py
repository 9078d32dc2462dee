"""SendGrid's Event Webhook: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mailer import bounce
from mailer.bounce import BounceClass
from mailer.errors import ConfigurationError, InvalidSignature
from mailer.event import Event, EventType, Quarantined
from mailer.ports import Verified
from mailer.providers import answers, webhook

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

PROVIDER = "sendgrid"
KEY = "SENDGRID_WEBHOOK_KEY"
SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

# A webhook that is not answered with 2xx is tried again for 24 hours.
PAST = timedelta(hours=25)

# What every DER SubjectPublicKeyInfo of a point on P-256 begins with (RFC 5480); the point's two halves follow.
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_P256_LENGTH = len(_P256) + 64

# Its words and ours.
TYPES = {
    "processed": EventType.ACCEPTED,
    "deferred": EventType.DEFERRED,
    "delivered": EventType.DELIVERED,
    "bounce": EventType.BOUNCED,
    "dropped": EventType.REJECTED,
    "spamreport": EventType.COMPLAINED,
    "unsubscribe": EventType.UNSUBSCRIBED,
    "group_unsubscribe": EventType.UNSUBSCRIBED,
    "open": EventType.OPENED,
    "click": EventType.CLICKED,
}

# `type` of a bounce that says nothing about the address: we were refused, or it gave up after 72 hours.
_TEMPORARY = ("blocked", "expired")

# `bounce_classification`. Of "Mailbox Unavailable", "Technical Failure" and "Unclassified" the status code says more.
_CLASSES = {
    "Invalid Address": BounceClass.UNKNOWN_USER,
    "Reputation": BounceClass.BLOCKED,
    "Content": BounceClass.SPAM,
    "Frequency or Volume Too High": BounceClass.POLICY,
}


def keys(value: str) -> tuple[bytes, ...]:
    """Return the public keys of the setting.

    Raises:
        ConfigurationError: one is none, by its form.
    """
    return tuple(map(_der, webhook.keys(value)))


def _der(key: str) -> bytes:
    try:
        der = base64.b64decode(key, validate=True)
    except ValueError:
        der = b""
    if not der.startswith(_P256) or len(der) != _P256_LENGTH:
        raise _not_a_key()
    return der


def _not_a_key() -> ConfigurationError:
    return ConfigurationError(f"{KEY} must be the verification key that SendGrid shows; several parted by commas")


def verify(public_keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, *, now: datetime) -> Verified:
    """Return normally if one of the keys has signed time and body, ECDSA on P-256 with SHA-256.

    No token is to be remembered: the signature covers the body, and its events have ids.
    """
    if not public_keys:
        raise webhook.no_key(KEY)
    timestamp, signature = headers.get(TIMESTAMP, ""), _decoded(headers.get(SIGNATURE, ""))
    webhook.signed_at(timestamp, past=PAST, now=now)
    if not any(_is_signed(key, signature, timestamp.encode() + body) for key in public_keys):
        raise InvalidSignature("no key of ours has signed this", code="mismatch")
    return Verified()


def _decoded(signature: str) -> bytes:
    try:
        der = base64.b64decode(signature, validate=True)
    except ValueError:
        der = b""
    # The last character has bits to spare: of several spellings of one signature only the right one is taken.
    if not der or base64.b64encode(der).decode("ascii") != signature:
        raise InvalidSignature("the signature is missing, or not base64", code="malformed")
    return der


def _is_signed(der: bytes, signature: bytes, data: bytes) -> bool:
    # Late: only who takes webhooks needs it, and the command line is installed without.
    from cryptography import exceptions
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        _public_key(der).verify(signature, data, ECDSA(SHA256()))
    except exceptions.InvalidSignature:
        return False
    return True


@functools.cache
def _public_key(der: bytes) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(der)
    except ValueError:
        raise _not_a_key() from None  # a slip of the pen: the point is not on the curve
    if not isinstance(key, EllipticCurvePublicKey):
        raise _not_a_key()
    return key


def events(body: bytes) -> tuple[list[Event], list[Quarantined]]:
    """Return what a body tells of, and the pieces of it that are no event."""
    data = answers.load(body)
    if not isinstance(data, list):
        return webhook.unreadable(PROVIDER, "is not a JSON array", body)
    return webhook.read(PROVIDER, data, event)


def event(data: Mapping[str, Any]) -> Event:
    """Return one event; our ids are flat among its fields, as custom_args come back.

    Raises:
        ValueError: it is none.
    """
    raw = webhook.word(data.get("event"))
    kind = TYPES.get(raw, EventType.UNKNOWN)
    # `type` says what became of the account where the event is account_status_change.
    words = webhook.words(data.get("reason"), data.get("response"), data.get("type"))
    return Event(
        type=kind,
        provider=PROVIDER,
        provider_event_id=webhook.id(data.get("sg_event_id")) or _fingerprint(data),
        provider_message_id=_message_id(data),
        envelope_id=webhook.id(data.get("mailer_envelope_id")),
        attempt_id=webhook.id(data.get("mailer_attempt_id")),
        project_id=webhook.id(data.get("mailer_project_id")),
        recipient=webhook.address(data.get("email")),
        occurred_at=webhook.moment(data.get("timestamp")),
        permanent=_is_permanent(data) if kind is EventType.BOUNCED else None,
        bounce_class=_bounce_class(kind, data, words),
        machine=kind is EventType.OPENED and data.get("sg_machine_open") is True,
        detail=webhook.detail(words),
        url=webhook.url(data.get("url")) if kind is EventType.CLICKED else None,
        raw_type=raw,
    )


def _fingerprint(data: Mapping[str, Any]) -> str:
    told = [data.get(name) for name in ("event", "email", "timestamp", "sg_message_id", "url")]
    plain = [value if isinstance(value, str | int | float) else None for value in told]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _message_id(data: Mapping[str, Any]) -> str | None:
    # Its first part is the X-Message-Id that the mail was accepted with; the rest names the machine it went through.
    found = webhook.id(data.get("sg_message_id"))
    return re.split(r"\.(?:filter|recvd)", found, maxsplit=1)[0] or None if found else None


def _is_permanent(data: Mapping[str, Any]) -> bool:
    return data.get("type") not in _TEMPORARY and not webhook.text(data.get("status")).startswith("4")


def _bounce_class(kind: EventType, data: Mapping[str, Any], words: str) -> BounceClass | None:
    if kind is EventType.DEFERRED:
        return bounce.classify(words) if words else None
    if kind is not EventType.BOUNCED:
        return None
    if named := _CLASSES.get(webhook.text(data.get("bounce_classification"))):
        return named
    found = bounce.classify(words, code=webhook.text(data.get("status"))[:20])
    return BounceClass.BLOCKED if found is BounceClass.OTHER and data.get("type") == "blocked" else found
