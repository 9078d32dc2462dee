"""SendGrid's events in our words."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailer.bounce import BounceClass
from mailer.errors import InvalidSignature
from mailer.event import Event, EventType
from mailer.providers.sendgrid import payload
from tests.factories import NOW, envelope
from tests.unit.providers import signing
from tests.unit.providers.signing import believed, sendgrid_body

SIGNER = signing.sendgrid_signer()
SENDGRID = signing.provider("sendgrid", SENDGRID_WEBHOOK_KEY=SIGNER.key)


def fields(**changed: Any) -> dict[str, Any]:
    """Return the fields of an event."""
    return {
        "email": "bob@example.com", "timestamp": 1_795_521_600, "event": "delivered", "sg_event_id": "ev-1",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", "smtp-id": "<x@ismtpd-555>",
    } | changed  # fmt: skip


def read(**changed: Any) -> Event:
    """Return an event as it is read."""
    [event], [] = SENDGRID.events(sendgrid_body(fields(**changed)))
    return event


@pytest.mark.parametrize(
    ("raw", "ours"),
    [
        ("processed", EventType.ACCEPTED), ("deferred", EventType.DEFERRED), ("delivered", EventType.DELIVERED),
        ("bounce", EventType.BOUNCED), ("dropped", EventType.REJECTED), ("spamreport", EventType.COMPLAINED),
        ("unsubscribe", EventType.UNSUBSCRIBED), ("group_unsubscribe", EventType.UNSUBSCRIBED),
        ("open", EventType.OPENED), ("click", EventType.CLICKED),
        ("group_resubscribe", EventType.UNKNOWN), ("account_status_change", EventType.UNKNOWN),
    ],
)  # fmt: skip
def test_each_of_its_words_is_one_of_ours(raw: str, ours: EventType) -> None:
    assert (read(event=raw).type, read(event=raw).raw_type) == (ours, raw)


@pytest.mark.parametrize(
    ("changed", "permanent", "why"),
    [
        ({"type": "bounce", "status": "5.1.1", "reason": "550 no"}, True, BounceClass.UNKNOWN_USER),
        ({"status": "5.0.0", "reason": "500 unknown recipient"}, True, BounceClass.UNKNOWN_USER),
        ({"type": "blocked", "status": "5.2.2", "reason": "552 over quota"}, False, BounceClass.MAILBOX_FULL),
        ({"type": "blocked", "reason": "unable to get mx info"}, False, BounceClass.BLOCKED),
        ({"type": "expired", "reason": "timed out"}, False, BounceClass.OTHER),
        ({"type": "bounce", "status": "4.2.2"}, False, BounceClass.MAILBOX_FULL),
        ({"type": "bounce", "bounce_classification": "Invalid Address"}, True, BounceClass.UNKNOWN_USER),
        ({"type": "blocked", "bounce_classification": "Reputation"}, False, BounceClass.BLOCKED),
        ({"type": "blocked", "bounce_classification": "Content"}, False, BounceClass.SPAM),
        ({"type": "blocked", "bounce_classification": "Frequency or Volume Too High"}, False, BounceClass.POLICY),
        ({"type": "bounce", "bounce_classification": "Unclassified", "status": "5.7.1"}, True, BounceClass.POLICY),
        ({"type": ["bounce"], "status": 5, "bounce_classification": ["Content"]}, True, BounceClass.OTHER),
    ],
)
def test_a_bounce_tells_whether_the_address_is_bad_and_what_stood_in_the_way(
    changed: dict[str, Any], permanent: bool, why: BounceClass
) -> None:
    event = read(event="bounce", **changed)
    assert (event.type, event.permanent, event.bounce_class) == (EventType.BOUNCED, permanent, why)


def test_a_deferral_has_a_class_if_it_gives_a_reason_and_nothing_else_is_permanent_or_not() -> None:
    deferred = read(event="deferred", response="452 4.2.2 over quota", attempt="5")
    assert (deferred.bounce_class, deferred.permanent) == (BounceClass.MAILBOX_FULL, None)
    assert deferred.detail == "452 4.2.2 over quota"
    assert read(event="deferred").bounce_class is None
    dropped = read(event="dropped", reason="Bounced Address", status="5.1.1", type="bounce")
    assert (dropped.bounce_class, dropped.permanent, dropped.detail) == (None, None, "Bounced Address")


def test_our_ids_come_back_as_the_payload_wrote_them() -> None:
    e = envelope()
    event = read(**payload(e)["custom_args"])
    assert (event.envelope_id, event.attempt_id, event.project_id) == (e.id, e.attempt_id, e.project_id)
    assert (read().envelope_id, read().attempt_id, read().project_id) == (None, None, None)


@pytest.mark.parametrize(
    ("told", "ours"),
    [
        ("14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0", "14c5d75ce93.dfd.64b469"),
        ("LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0", "LRzXl_NHStOGhQ4kofSm_A"),
        ("euo2iKxdSayPF4YE4--I7A.recvd-5f54b5d587-pczjm-1-67BADEEA-6.0", "euo2iKxdSayPF4YE4--I7A"),
        ("plain", "plain"), (".filter0", None), (5, None), (None, None),
    ],
)  # fmt: skip
def test_the_message_id_is_the_one_of_the_receipt(told: object, ours: str | None) -> None:
    assert read(sg_message_id=told).provider_message_id == ours


@pytest.mark.parametrize("nothing", [None, "", 5, "x" * 300])
def test_an_event_without_an_id_is_known_by_what_it_tells(nothing: object) -> None:
    told = '["click", "bob@example.com", 1795521600, "m", "https://x.example"]'
    changed = {"event": "click", "sg_message_id": "m", "url": "https://x.example", "sg_event_id": nothing}
    assert read(**changed).provider_event_id == hashlib.sha256(told.encode()).hexdigest()
    same = read(**changed, category="other", ip="1.1.1.1")
    assert same.provider_event_id == read(**changed).provider_event_id
    for name, value in {"event": "open", "email": "a@b.example", "timestamp": 1_795_521_601, "sg_message_id": "n",
                        "url": "https://y.example"}.items():  # fmt: skip
        assert read(**changed | {name: value}).provider_event_id != same.provider_event_id, name


def test_opens_by_machines_are_told_apart() -> None:
    assert read(event="open", sg_machine_open=True).machine
    assert not read(event="open", sg_machine_open=False).machine
    assert not read(event="open").machine
    assert not read(event="delivered", sg_machine_open=True).machine


@pytest.mark.parametrize("category", ["cat facts", ["a", "b"], [], None, {"x": 1}])
def test_a_category_of_whatever_kind_is_no_trouble(category: object) -> None:
    assert read(category=category).type is EventType.DELIVERED


def test_a_changed_account_has_no_address_and_says_what_happened() -> None:
    [event], [] = SENDGRID.events(
        sendgrid_body(
            {
                "event": "account_status_change",
                "sg_event_id": "a",
                "timestamp": 1_795_521_600,
                "type": "compliance_suspend",
            }
        )
    )
    assert (event.recipient, event.detail, event.provider_event_id) == (None, "compliance_suspend", "a")


def test_one_bad_event_does_not_fail_the_rest() -> None:
    events, [first, second, third] = SENDGRID.events(
        sendgrid_body(fields(sg_event_id="1"), None, fields(timestamp=None), fields(sg_event_id="2"), {"event": []})
    )
    assert [event.provider_event_id for event in events] == ["1", "2"]
    assert (first.reason, first.raw) == ("is not an object", "null")
    assert second.reason == "has no time"
    assert third.reason == "does not say what happened"


def test_the_time_is_utc() -> None:
    assert read(timestamp=1_513_299_569).occurred_at == datetime(2017, 12, 15, 0, 59, 29, tzinfo=UTC)


def test_a_day_of_retries_is_taken_and_no_token_is_needed() -> None:
    hook = SIGNER.sign(SIGNER.body)
    assert believed(hook, SENDGRID, now=NOW + timedelta(hours=25))
    assert not believed(hook, SENDGRID, now=NOW + timedelta(hours=25, seconds=1))
    assert SENDGRID.verify(hook.headers, hook.body, now=NOW).token is None


def test_a_digit_that_moves_from_the_time_to_the_body_is_refused_though_the_signature_is_right() -> None:
    hook = SIGNER.sign(b"0[{}]")
    [stamp] = [name for name in hook.headers if name.endswith("timestamp")]
    moved = signing.Hook({**hook.headers, stamp: hook.headers[stamp] + "0"}, b"[{}]")
    with pytest.raises(InvalidSignature) as caught:
        SENDGRID.verify(moved.headers, moved.body, now=NOW)
    assert caught.value.code == "in_future"


def test_the_signature_is_over_the_bytes_as_they_came() -> None:
    hook = SIGNER.sign(b'[{"a":"\\u003c"},\r\n{}]\r\n')
    assert believed(hook, SENDGRID)
    for other in (b'[{"a":"<"},\r\n{}]\r\n', b'[{"a":"\\u003c"},\n{}]\r\n', b'[{"a":"\\u003c"},\r\n{}]'):
        assert not believed(signing.Hook(hook.headers, other), SENDGRID)
