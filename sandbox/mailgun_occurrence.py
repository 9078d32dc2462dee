"""Mailgun's events, as its webhooks and its Events API tell them, and the signature of the former.

Source: https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure and
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.occurrence import Occurrence
from sandbox.story import Kind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _client(bot: str) -> dict[str, Any]:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    info = {"client-type": "browser", "client-os": "Linux", "device-type": "desktop", "client-name": "Firefox"}
    place = {"country": "US", "region": "TX", "city": "Austin"}
    return {
        "log-level": "info",
        "ip": "192.0.2.7",
        "geolocation": place,
        "client-info": {**info, "user-agent": agent, "bot": bot},
    }


def _failed(severity: str, reason: str, code: int, enhanced: str, message: str) -> dict[str, Any]:
    status = {"code": code, "enhanced-code": enhanced, "message": message, "description": "", "attempt-no": 1}
    return {
        "event": "failed",
        "log-level": "error" if severity == "permanent" else "warn",
        "severity": severity,
        "reason": reason,
        "delivery-status": {"tls": True, "mx-host": "mx.sandbox.invalid", "session-seconds": 0.1, **status},
    }


_WORDS: dict[Kind, dict[str, Any]] = {
    "accepted": {"event": "accepted", "log-level": "info", "method": "HTTP"},
    "delivered": {
        "event": "delivered",
        "log-level": "info",
        "delivery-status": {"code": 250, "message": "OK", "description": "", "attempt-no": 1, "tls": True},
    },
    "deferred": _failed("temporary", "generic", 450, "4.2.0", "4.2.0 try again later"),
    "bounced": _failed("permanent", "bounce", 550, "5.1.1", "5.1.1 user unknown"),
    "blocked": _failed("temporary", "espblock", 421, "4.7.0", "4.7.0 our systems have blocked [192.0.2.1]"),
    "full": _failed("temporary", "generic", 452, "4.2.2", "4.2.2 The email account is over quota"),
    "complained": {"event": "complained", "log-level": "warn"},
    "unsubscribed": {"event": "unsubscribed", **_client("")},
    "opened": {"event": "opened", **_client("")},
    "machine": {"event": "opened", **_client("apple")},
    "clicked": {"event": "clicked", "url": "https://example.com/?a=1&b=2", **_client("")},
    "dropped": {
        "event": "rejected",
        "log-level": "warn",
        "reject": {"reason": "Sandbox subdomains are for test purposes only.", "description": ""},
    },
}

# The documents give these less of the message.
_OF_THE_READER = ("unsubscribed", "opened", "machine", "clicked")


class MailgunEvents:
    """What Mailgun's webhooks look like."""

    at_once = 1

    def __init__(self, key: str) -> None:
        self._key = key

    def letter(self, occurrences: Sequence[Occurrence], now: datetime) -> tuple[dict[str, str], bytes]:
        """Return headers and body of one POST; each has a token of its own."""
        timestamp, token = str(int(now.timestamp())), secrets.token_hex(25)
        signature = hmac.new(self._key.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
        signed = {"timestamp": timestamp, "token": token, "signature": signature}
        body = json.dumps({"signature": signed, "event-data": event(occurrences[0])}).encode("ascii")
        return {"Content-Type": "application/json", "User-Agent": "Go-http-client/1.1"}, body

    def is_done(self, status: int) -> bool:
        """Tell whether this answer ends it: taken, or refused for good."""
        return 200 <= status < 300 or status == 406


def event(occurrence: Occurrence) -> dict[str, Any]:
    """Return one event, the `event-data` of a webhook."""
    mail, words = occurrence.mail, _WORDS[occurrence.kind]
    known = {
        **words,
        "id": occurrence.id,
        "timestamp": (occurrence.at - _EPOCH).total_seconds(),
        "message": {"headers": {"message-id": mail["provider_message_id"].strip("<>")}},
        "campaigns": [],
        "tags": mail["tags"],
        "user-variables": mail["args"],
    }
    # `rejected` is said of the whole mail.
    person = {"recipient": occurrence.recipient, "recipient-domain": occurrence.recipient.rpartition("@")[2]}
    return {
        **known,
        **({} if occurrence.kind == "dropped" else person),
        **({} if occurrence.kind in _OF_THE_READER else _of_the_mail(occurrence)),
    }


def _of_the_mail(occurrence: Occurrence) -> dict[str, Any]:
    mail = occurrence.mail
    return {
        "envelope": {"targets": occurrence.recipient, "transport": "smtp", "sender": mail["from"]["email"]},
        "flags": {"is-routed": False, "is-authenticated": True, "is-system-test": False, "is-test-mode": False},
        "message": {
            "headers": {
                "to": ", ".join(_shown(p) for p in mail["to"]),
                "message-id": mail["provider_message_id"].strip("<>"),
                "from": _shown(mail["from"]),
                "subject": mail["subject"],
            },
            "attachments": [
                {"filename": a["filename"], "content-type": a["content_type"], "size": a["size"]}
                for a in mail["attachments"]
            ],
            "recipients": [p["email"] for role in ("to", "cc", "bcc") for p in mail[role]],
            "size": len(json.dumps(mail)),
        },
        "storage": {"url": f"https://sandbox.invalid/v3/messages/{mail['id']}", "key": f"sandbox-{mail['id']}"},
    }


def _shown(person: dict[str, str]) -> str:
    return f"{person['name']} <{person['email']}>" if person["name"] else person["email"]
