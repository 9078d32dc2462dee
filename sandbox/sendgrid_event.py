"""SendGrid's Event Webhook: arrays of events, signed with ECDSA.

Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event and
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.occurrence import Occurrence
from sandbox.story import Kind

_BROWSER = {"useragent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "ip": "192.0.2.7"}
_OVER_QUOTA = "552 5.2.2 The email account that you tried to reach is over quota and inactive."
_REFUSED = "550 5.7.1 Service unavailable; client host [192.0.2.1] blocked using a blocklist"

_WORDS: dict[Kind, dict[str, Any]] = {
    "accepted": {"event": "processed", "send_at": 0},
    "delivered": {"event": "delivered", "response": "250 2.0.0 OK", "ip": "192.0.2.1", "tls": 1},
    "deferred": {"event": "deferred", "response": "450 4.2.0 try again later", "attempt": "1"},
    "bounced": {
        "event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 <recipient>: user unknown",
        "bounce_classification": "Invalid Address",
    },
    "blocked": {
        "event": "bounce", "type": "blocked", "status": "5.7.1", "reason": _REFUSED,
        "bounce_classification": "Reputation",
    },
    # A full mailbox is a block to SendGrid, so its address is not put on a list.
    "full": {
        "event": "bounce", "type": "blocked", "status": "5.2.2", "reason": _OVER_QUOTA,
        "bounce_classification": "Mailbox Unavailable",
    },
    "complained": {"event": "spamreport"},
    "unsubscribed": {"event": "unsubscribe"},
    "opened": {"event": "open", "sg_machine_open": False, "sg_content_type": "html", **_BROWSER},
    "machine": {"event": "open", "sg_machine_open": True, "sg_content_type": "html", **_BROWSER},
    "clicked": {"event": "click", "url": "https://example.com/?a=1&b=2", **_BROWSER},
    "dropped": {"event": "dropped", "reason": "Bounced Address", "status": "5.0.0"},
}  # fmt: skip


class SendGridEvents:
    """What SendGrid's webhooks look like."""

    at_once = 1000

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def letter(self, occurrences: Sequence[Occurrence], now: datetime) -> tuple[dict[str, str], bytes]:
        """Return headers and body of one POST."""
        body = _body([event(o) for o in occurrences])
        timestamp = str(int(now.timestamp()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode("ascii"),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }
        return headers, body

    def is_done(self, status: int) -> bool:
        """Tell whether this answer ends it; any other has it come again."""
        return 200 <= status < 300


def event(occurrence: Occurrence) -> dict[str, Any]:
    """Return one event: its own fields, and flat among them the custom arguments that the mail was sent with."""
    mail = occurrence.mail
    message_id, tags = mail["provider_message_id"], mail["tags"]
    # One category is a text, several are a list.
    category = {"category": tags[0] if len(tags) == 1 else tags} if tags else {}
    return {
        **mail["args"],
        "email": occurrence.recipient,
        "timestamp": int(occurrence.at.timestamp()),
        "sg_event_id": occurrence.id,
        "sg_message_id": f"{message_id}.recvd-sandbox-7d5c8d8b4d-x2x7q-1-{mail['id']:08X}-{occurrence.position}.0",
        "smtp-id": f"<{message_id}@geopod-ismtpd-sandbox>",
        **category,
        **_WORDS[occurrence.kind],
    }


def _body(events: Sequence[dict[str, Any]]) -> bytes:
    """Write it as theirs is: sorted, with line breaks between and at the end, and no angle bracket or ampersand."""
    text = "[" + ",\r\n".join(json.dumps(e, sort_keys=True, separators=(",", ":")) for e in events) + "]\r\n"
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text.encode("ascii")
