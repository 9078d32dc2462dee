"""Webhooks against the providers' own vectors and samples: the signatures, and each documented event in our words."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from mailer.bounce import BounceClass
from mailer.event import Event, EventType
from mailer.ports import Provider
from tests.contract import shared
from tests.unit.providers.signing import Hook, believed, provider

pytestmark = shared.needed

STAMP, SIGNATURE = "x-twilio-email-event-webhook-timestamp", "x-twilio-email-event-webhook-signature"


def seconds(value: object) -> datetime:
    """Return when a vector was signed; where it does not say, the time of the real one beside it."""
    return datetime.fromtimestamp(int(str(value)) if str(value).isdigit() else 1_600_112_502, UTC)


def sendgrid_vectors() -> list[tuple[str, Provider, Hook, datetime, bool]]:
    return [
        (
            vector["name"],
            provider("sendgrid", SENDGRID_WEBHOOK_KEY=vector["public_key"]),
            Hook(
                {name.lower(): value for name, value in vector["headers"].items()}, base64.b64decode(vector["body_b64"])
            ),
            seconds(vector["headers"]["X-Twilio-Email-Event-Webhook-Timestamp"]),
            vector["valid"],
        )
        for vector in shared.contract("sendgrid-signature-vectors.json")["vectors"]
    ]


def mailgun_hook(timestamp: object, token: object, signature: object) -> Hook:
    signed = {"timestamp": timestamp, "token": token, "signature": signature}
    return Hook({}, json.dumps({"signature": signed, "event-data": {}}, separators=(",", ":")).encode())


def mailgun_vectors() -> list[tuple[str, Provider, Hook, datetime, bool]]:
    return [
        (
            vector["name"],
            provider("mailgun", MAILGUN_WEBHOOK_KEY=vector["signing_key"]),
            mailgun_hook(vector["timestamp"], vector["token"], vector["signature"]),
            seconds(vector["timestamp"]),
            vector["valid"],
        )
        for vector in shared.contract("mailgun-signature-vectors.json")["vectors"]
    ]


@pytest.mark.parametrize(("vectors", "count", "valid"), [(sendgrid_vectors, 13, 2), (mailgun_vectors, 7, 3)])
def test_every_vector_is_judged_as_it_should_be(vectors: Any, count: int, valid: int) -> None:
    judged = [(name, believed(hook, made, now=at), right) for name, made, hook, at, right in vectors()]
    assert [name for name, found, right in judged if found is not right] == []
    assert (len(judged), sum(right for _, _, right in judged)) == (count, valid)
    print(f"{len(judged)} vectors, {valid} of them valid")


def sendgrid_forgeries(hook: Hook) -> list[tuple[str, Hook]]:
    """Return the webhook with each bit of body, timestamp and signature changed in turn."""
    bits = [("body", hook.flipped(at, bit)) for at in range(len(hook.body)) for bit in range(8)]
    for name in (STAMP, SIGNATURE):
        bits += [
            (name, hook.flipped_header(name, at, bit)) for at in range(len(hook.headers[name])) for bit in range(8)
        ]
    return bits


def mailgun_forgeries(hook: Hook) -> list[tuple[str, Hook]]:
    """Return the webhook with each bit of its signature object, timestamp and token included, changed in turn."""
    stretch = range(len(b'{"signature":'), hook.body.index(b',"event-data"'))
    return [("signature object", hook.flipped(at, bit)) for at in stretch for bit in range(8)]


@pytest.mark.parametrize(
    ("vectors", "forgeries", "least"),
    [(sendgrid_vectors, sendgrid_forgeries, 11_000), (mailgun_vectors, mailgun_forgeries, 3_000)],
    ids=["sendgrid", "mailgun"],
)
def test_one_bit_changed_anywhere_is_refused(vectors: Any, forgeries: Any, least: int) -> None:
    counts: dict[str, int] = {}
    for name, made, hook, at, valid in vectors():
        if not valid:
            continue
        assert believed(hook, made, now=at), name
        for where, forged in forgeries(hook):
            assert not believed(forged, made, now=at), (name, where, forged)
            counts[where] = counts.get(where, 0) + 1
    print(f"refused, of as many webhooks with one bit changed: {counts}")
    assert sum(counts.values()) > least


T, B = EventType, BounceClass

# Each of SendGrid's samples, in the order of its page.
SENDGRID = [
    (T.ACCEPTED, None, None), (T.DEFERRED, None, B.OTHER), (T.DELIVERED, None, None), (T.OPENED, None, None),
    (T.CLICKED, None, None), (T.BOUNCED, True, B.UNKNOWN_USER), (T.REJECTED, None, None), (T.COMPLAINED, None, None),
    (T.UNSUBSCRIBED, None, None), (T.UNSUBSCRIBED, None, None), (T.UNKNOWN, None, None), (T.ACCEPTED, None, None),
    (T.REJECTED, None, None), (T.DELIVERED, None, None), (T.DEFERRED, None, B.OTHER),
    (T.BOUNCED, True, B.UNKNOWN_USER), (T.BOUNCED, False, B.UNKNOWN_USER), (T.OPENED, None, None),
    (T.CLICKED, None, None), (T.COMPLAINED, None, None), (T.UNSUBSCRIBED, None, None), (T.UNSUBSCRIBED, None, None),
    (T.UNKNOWN, None, None),
]  # fmt: skip

# Each of Mailgun's samples by its title, with its recipient.
MAILGUN: Mapping[str, tuple[EventType, bool | None, BounceClass | None, str | None]] = {
    "Accepted": (T.ACCEPTED, None, None, "team@example.org"),
    "Accepted (Routed)": (T.ACCEPTED, None, None, "john@example.com"),
    "Delivered": (T.DELIVERED, None, None, "john@example.com"),
    "Failed (Permanent)": (T.REJECTED, None, None, "slava@mailgun.com"),
    "Failed (Permanent, Delayed Bounce)": (T.BOUNCED, True, B.UNKNOWN_USER, "christest123@test.com"),
    "Failed (Temporary)": (T.DEFERRED, None, B.POLICY, "test@test.com"),
    "Opened": (T.OPENED, None, None, "recipient@example.com"),
    "Clicked": (T.CLICKED, None, None, "recipient@example.com"),
    "Unsubscribed": (T.UNSUBSCRIBED, None, None, "recipient@example.com"),
    "Complained": (T.COMPLAINED, None, None, "foo@example.com"),
    "Stored": (T.UNKNOWN, None, None, None),
    "Rejected": (T.REJECTED, None, None, "joan@example.org"),
    "List Member Uploaded": (T.UNKNOWN, None, None, None),
    "List Member Upload Error": (T.UNKNOWN, None, None, None),
    "List Uploaded": (T.UNKNOWN, None, None, None),
}


def test_every_sample_of_sendgrid_is_one_of_our_words_with_its_recipient_ids_and_time() -> None:
    cases = shared.contract("sendgrid-events-docs.json")["cases"]
    body = json.dumps([case["event"] for case in cases]).encode()
    events, bad = provider("sendgrid").events(body)
    assert bad == []
    assert [(e.type, e.permanent, e.bounce_class) for e in events] == SENDGRID
    for event, case in zip(events, cases, strict=True):
        sample = case["event"]
        assert event.recipient == sample["email"] == case["anymail"]["recipient"]
        assert event.provider_event_id == sample["sg_event_id"] == case["anymail"]["event_id"]
        assert event.provider_message_id == sample["sg_message_id"].partition(".filter")[0]
        assert event.occurred_at.isoformat() == case["anymail"]["timestamp"]
        assert event.raw_type == sample["event"]
        assert event.url == (sample["url"] if sample["event"] == "click" else None)
        assert event.detail == sample.get("reason", sample.get("response", sample.get("type", "")))
        assert not event.machine
    print(f"{len(events)} samples of SendGrid")


def mailgun_samples() -> dict[str, tuple[Event, Mapping[str, Any], Mapping[str, Any]]]:
    """Return by title each sample as read, as documented, and as Anymail reads it."""
    found: dict[str, tuple[Event, Mapping[str, Any], Mapping[str, Any]]] = {}
    for case in shared.contract("mailgun-events-docs.json")["cases"]:
        [event], bad = provider("mailgun").events(json.dumps(case["body"]).encode())
        assert bad == []
        found[case["title"]] = (event, case["body"]["event-data"], case["anymail"][0])
    return found


def test_every_sample_of_mailgun_is_one_of_our_words_with_its_recipient_ids_and_time() -> None:
    samples = mailgun_samples()
    read = {title: (e.type, e.permanent, e.bounce_class, e.recipient) for title, (e, _, _) in samples.items()}
    assert read == MAILGUN
    for event, sample, anymail in samples.values():
        assert event.recipient == anymail["recipient"]
        assert event.provider_event_id == sample["id"]
        assert event.provider_message_id == anymail["message_id"]
        assert event.occurred_at == datetime.fromisoformat(anymail["timestamp"])
        assert event.raw_type == sample["event"]
        assert event.url == anymail["click_url"]
        assert not event.machine
    print(f"{len(samples)} samples of Mailgun")


def test_every_signed_sample_of_mailgun_is_believed_with_its_page_key() -> None:
    file = shared.contract("mailgun-events-docs.json")
    made = provider("mailgun", MAILGUN_WEBHOOK_KEY=file["signing_key"])
    for case in file["cases"]:
        at = seconds(case["body"]["signature"]["timestamp"])
        assert believed(Hook({}, json.dumps(case["body"]).encode()), made, now=at), case["title"]


def test_the_events_of_the_signed_bodies_are_read() -> None:
    read = [provider("sendgrid").events(hook.body) for _, _, hook, _, valid in sendgrid_vectors() if valid]
    [([dropped], []), ([processed, bounced], [])] = read
    assert (dropped.type, dropped.recipient) == (T.REJECTED, "hello@world.com")
    assert processed.type is T.ACCEPTED
    assert (bounced.type, bounced.permanent, bounced.bounce_class) == (T.BOUNCED, False, B.MAILBOX_FULL)
    assert bounced.provider_message_id == "qNwBLgPQQjW6DJvKQwSAbw"
