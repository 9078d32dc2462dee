"""Webhooks as each provider signs them, with keys made here. A new provider adds its line to `SIGNERS`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailer.ports import Provider
from mailer.providers import registry
from tests.factories import NOW

_STAMP = "x-twilio-email-event-webhook-timestamp"
_SIGNATURE = "x-twilio-email-event-webhook-signature"

AT = str(int(NOW.timestamp()))


@dataclass(frozen=True)
class Hook:
    """A webhook as it arrives; `covered` are the stretches of its body that the signature covers."""

    headers: Mapping[str, str]
    body: bytes
    covered: tuple[range, ...] = field(default=())

    def flipped(self, at: int, bit: int) -> Hook:
        """Return it with one bit of its body changed."""
        body = bytearray(self.body)
        body[at] ^= 1 << bit
        return replace(self, body=bytes(body))

    def flipped_header(self, name: str, at: int, bit: int) -> Hook:
        """Return it with one bit of a header changed."""
        value = self.headers[name]
        return replace(
            self, headers={**self.headers, name: value[:at] + chr(ord(value[at]) ^ 1 << bit) + value[at + 1 :]}
        )


@dataclass(frozen=True)
class Signer:
    """Signs for one provider: `key` goes into `setting`."""

    setting: str
    key: str
    sign: Callable[..., Hook]
    body: bytes


def sendgrid_signer() -> Signer:
    """Return a signer with a key of its own."""
    private = ec.generate_private_key(ec.SECP256R1())
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(body: bytes, *, at: str = AT) -> Hook:
        signature = base64.b64encode(private.sign(at.encode() + body, ec.ECDSA(SHA256()))).decode()
        return Hook({_STAMP: at, _SIGNATURE: signature}, body, (range(len(body)),))

    body = b'[{"email":"bob@example.com","event":"delivered","sg_event_id":"e1","timestamp":1795521600},\r\n{}]\r\n'
    return Signer("SENDGRID_WEBHOOK_KEY", base64.b64encode(der).decode(), sign, body)


def mailgun_signer(key: str = "a signing key") -> Signer:
    """Return a signer with this key."""

    def sign(body: bytes, *, at: str = AT, token: str = "0123456789abcdef") -> Hook:
        signature = hmac.new(key.encode(), (at + token).encode(), hashlib.sha256).hexdigest()
        head = json.dumps({"timestamp": at, "token": token, "signature": signature}, separators=(",", ":")).encode()
        start = len(b'{"signature":')
        whole = b'{"signature":' + head + b',"event-data":' + body + b"}"
        return Hook({}, whole, (range(start, start + len(head)),))

    body = b'{"event":"delivered","id":"e1","timestamp":1795521600.5,"recipient":"bob@example.com"}'
    return Signer("MAILGUN_WEBHOOK_KEY", key, sign, body)


SIGNERS: dict[str, Callable[[], Signer]] = {"sendgrid": sendgrid_signer, "mailgun": mailgun_signer}


def provider(name: str, **given: str) -> Provider:
    """Return a provider with made-up values, but for those given."""
    [kind] = [kind for kind in registry.ALL if kind.name == name]
    values = {s.name: "mail.example.com" if s.default is None else s.default for s in kind.settings}
    made: Provider = kind(values | given)
    return made


def believed(hook: Hook, provider: Provider, now: datetime = NOW) -> bool:
    """Tell whether a provider takes a webhook for its own."""
    from mailer.errors import InvalidSignature

    try:
        provider.verify(hook.headers, hook.body, now=now)
    except InvalidSignature:
        return False
    return True


def sendgrid_body(*events: object) -> bytes:
    """Return a body with these events."""
    return json.dumps(list(events)).encode()


def mailgun_body(event: Mapping[str, Any]) -> bytes:
    """Return a body with this event, signed by nobody."""
    return json.dumps({"signature": {}, "event-data": event}).encode()
