"""Mailgun's events in our words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailer.bounce import BounceClass
from mailer.errors import InvalidSignature
from mailer.event import Event, EventType
from mailer.providers.mailgun import form
from tests.factories import NOW, envelope
from tests.unit.providers import signing
from tests.unit.providers.signing import believed, mailgun_body

SIGNER = signing.mailgun_signer()
MAILGUN = signing.provider("mailgun", MAILGUN_WEBHOOK_KEY=SIGNER.key)


def fields(**changed: Any) -> dict[str, Any]:
    """Return the fields of an event; `_` in names for `-`."""
    return {
        "event": "delivered", "id": "ev-1", "timestamp": 1_795_521_600.5, "recipient": "bob@example.com",
        "message": {"headers": {"message-id": "m-1@sender.example.com"}}, "user-variables": {},
    } | {name.replace("_", "-"): value for name, value in changed.items()}  # fmt: skip


def read(**changed: Any) -> Event:
    """Return an event as it is read."""
    [event], [] = MAILGUN.events(mailgun_body(fields(**changed)))
    return event


@pytest.mark.parametrize(
    ("raw", "more", "ours"),
    [
        ("accepted", {}, EventType.ACCEPTED), ("delivered", {}, EventType.DELIVERED),
        ("opened", {}, EventType.OPENED), ("clicked", {}, EventType.CLICKED),
        ("unsubscribed", {}, EventType.UNSUBSCRIBED), ("complained", {}, EventType.COMPLAINED),
        ("rejected", {}, EventType.REJECTED),
        ("failed", {"severity": "temporary"}, EventType.DEFERRED),
        ("failed", {"severity": "permanent"}, EventType.BOUNCED),
        ("failed", {"severity": "permanent", "reason": "generic"}, EventType.BOUNCED),
        ("failed", {"severity": "permanent", "reason": "suppress-bounce"}, EventType.REJECTED),
        ("failed", {"severity": "permanent", "reason": "suppress-complaint"}, EventType.REJECTED),
        ("failed", {"severity": "permanent", "reason": "suppress-unsubscribe"}, EventType.REJECTED),
        ("failed", {"severity": "temporary", "reason": "suppress-bounce"}, EventType.DEFERRED),
        ("failed", {}, EventType.UNKNOWN), ("failed", {"severity": ["permanent"]}, EventType.UNKNOWN),
        ("stored", {}, EventType.UNKNOWN), ("list_uploaded", {}, EventType.UNKNOWN),
    ],
)  # fmt: skip
def test_each_of_its_words_is_one_of_ours(raw: str, more: dict[str, Any], ours: EventType) -> None:
    assert (read(event=raw, **more).type, read(event=raw, **more).raw_type) == (ours, raw)


@pytest.mark.parametrize(
    ("reason", "status", "permanent", "why"),
    [
        ("bounce", {"code": 550, "enhanced-code": "5.1.1", "message": "no"}, True, BounceClass.UNKNOWN_USER),
        ("generic", {"bounce-code": "5.1.1", "message": "smtp; 550-5.1.1 gone"}, True, BounceClass.UNKNOWN_USER),
        ("bounce", {"code": 552, "message": "5.2.2 mailbox full"}, True, BounceClass.MAILBOX_FULL),
        ("old", {"code": 602, "message": "Too old"}, False, BounceClass.OTHER),
        ("espblock", {"code": 421, "message": "4.7.0 try later"}, False, BounceClass.BLOCKED),
        ("bounce", None, True, BounceClass.OTHER),
        (["bounce"], {"enhanced-code": 5.1}, True, BounceClass.OTHER),
    ],
)
def test_a_bounce_tells_whether_the_address_is_bad_and_what_stood_in_the_way(
    reason: object, status: object, permanent: bool, why: BounceClass
) -> None:
    event = read(event="failed", severity="permanent", reason=reason, delivery_status=status)
    assert (event.type, event.permanent, event.bounce_class) == (EventType.BOUNCED, permanent, why)


def test_a_delivery_status_may_be_null() -> None:
    event = read(event="failed", severity="temporary", reason="generic", delivery_status=None)
    assert (event.type, event.detail) == (EventType.DEFERRED, "generic")


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ({"message": "OK", "description": "more"}, "x", "OK"),
        (
            {"message": "", "description": "Not delivering to bob@example.com"},
            "x",
            "Not delivering to b***@example.com",
        ),
        ({"message": None, "description": 5}, "suppress-bounce", "suppress-bounce"),
    ],
)
def test_its_words_are_the_first_that_say_something(status: dict[str, Any], reason: str, words: str) -> None:
    assert read(delivery_status=status, reason=reason).detail == words


def test_what_was_rejected_tells_why() -> None:
    event = read(
        event="rejected", recipient=None, reject={"reason": "Sandbox subdomains are for tests", "description": ""}
    )
    assert event.detail == "Sandbox subdomains are for tests"


@pytest.mark.parametrize(
    ("to", "recipient"),
    [
        ("joan@example.org", "joan@example.org"), ('"Doe, Joan" <joan@example.org>', "joan@example.org"),
        ("a@example.org, b@example.org", None), (None, None), (5, None), ("", None),
    ],
)  # fmt: skip
def test_what_was_rejected_names_its_recipient_only_in_the_mails_header(to: object, recipient: str | None) -> None:
    headers = {"message": {"headers": {"to": to}}}
    assert read(event="rejected", recipient=None, **headers).recipient == recipient
    assert read(event="rejected", **headers).recipient == "bob@example.com"
    assert read(event="delivered", recipient=None, **headers).recipient is None


def test_our_ids_come_back_as_the_form_wrote_them() -> None:
    e = envelope()
    event = read(user_variables={name.removeprefix("v:"): v for name, v in form(e) if name.startswith("v:")})
    assert (event.envelope_id, event.attempt_id, event.project_id) == (e.id, e.attempt_id, e.project_id)
    assert read(user_variables=None).envelope_id is None


@pytest.mark.parametrize("told", ["m-1@sender.example.com", "<m-1@sender.example.com>"])
def test_the_message_id_is_the_one_of_the_receipt(told: str) -> None:
    assert read(message={"headers": {"message-id": told}}).provider_message_id == "<m-1@sender.example.com>"
    assert read(message=None).provider_message_id is None


@pytest.mark.parametrize(("bot", "machine"), [("apple", True), ("", False), (None, False)])
@pytest.mark.parametrize("raw", ["opened", "clicked"])
def test_machines_are_told_apart(raw: str, bot: str | None, machine: bool) -> None:
    assert read(event=raw, client_info={"bot": bot}).machine is machine
    assert not read(event=raw, client_info=None).machine
    assert not read(event="complained", client_info={"bot": bot}).machine


@pytest.mark.parametrize("id", [None, "", 5, "x" * 300])
def test_an_event_without_an_id_is_quarantined(id: object) -> None:
    events, [bad] = MAILGUN.events(mailgun_body(fields(id=id)))
    assert (events, bad.reason) == ([], "has no id")


@pytest.mark.parametrize("data", [b'{"event-data":null}', b'{"event-data":[]}', b'{"signature":{}}', b"[]", b"1"])
def test_a_body_without_an_event_is_quarantined(data: bytes) -> None:
    events, [bad] = MAILGUN.events(data)
    assert events == []
    assert bad.reason in ("is not an object", "is not a JSON object with event-data")


def test_the_time_is_utc_to_the_microsecond() -> None:
    assert read(timestamp=1_529_692_198.641821).occurred_at == datetime(2018, 6, 22, 18, 29, 58, 641_821, tzinfo=UTC)


def test_twelve_hours_are_taken_and_the_token_is_remembered_for_longer() -> None:
    hook = SIGNER.sign(SIGNER.body, token="once")
    assert believed(hook, MAILGUN, now=NOW + timedelta(hours=12))
    assert not believed(hook, MAILGUN, now=NOW + timedelta(hours=12, seconds=1))
    token = MAILGUN.verify(hook.headers, hook.body, now=NOW).token
    assert token
    assert (token.value, token.until) == ("once", NOW + timedelta(hours=13))


def test_a_digit_that_moves_between_time_and_token_is_refused_though_the_signature_is_right() -> None:
    # Else one signature would be good for several tokens, and a replay would pass for new.
    hook = SIGNER.sign(SIGNER.body, token="7abc")
    at = signing.AT
    assert believed(hook, MAILGUN)
    for new_at, new_token, code in ((at + "7", "abc", "in_future"), (at[:-1], at[-1] + "7abc", "too_old")):
        body = hook.body.replace(f'"{at}"'.encode(), f'"{new_at}"'.encode()).replace(
            b'"7abc"', f'"{new_token}"'.encode()
        )
        with pytest.raises(InvalidSignature) as caught:
            MAILGUN.verify({}, body, now=NOW)
        assert caught.value.code == code


@pytest.mark.parametrize("token", [b'""', b"null", b"5", b'["x"]'])
def test_a_token_that_is_none_is_refused(token: bytes) -> None:
    hook = SIGNER.sign(SIGNER.body, token="")
    assert not believed(signing.Hook({}, hook.body.replace(b'"token":""', b'"token":' + token)), MAILGUN)


def test_a_timestamp_as_a_number_is_taken_and_a_yes_is_none() -> None:
    hook = SIGNER.sign(SIGNER.body)
    assert believed(signing.Hook({}, hook.body.replace(f'"{signing.AT}"'.encode(), signing.AT.encode(), 1)), MAILGUN)
    assert not believed(signing.Hook({}, hook.body.replace(f'"{signing.AT}"'.encode(), b"true", 1)), MAILGUN)


@pytest.mark.parametrize("signature", ['"\\ud800"', '"é"', '""', "null", "0", "[]"])
def test_a_signature_of_whatever_kind_is_compared_without_a_stumble(signature: str) -> None:
    body = f'{{"signature":{{"timestamp":"{signing.AT}","token":"\\ud800","signature":{signature}}}}}'.encode()
    assert not believed(signing.Hook({}, body), MAILGUN)
