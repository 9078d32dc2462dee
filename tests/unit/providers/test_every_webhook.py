"""What every provider's webhooks must do alike; a new one joins by its line in the registry and in signing.py."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.errors import ConfigurationError, InvalidSignature
from mailer.event import Event, EventType, Quarantined
from mailer.ports import Provider
from mailer.providers import registry
from tests.factories import NOW
from tests.unit.providers import signing
from tests.unit.providers.signing import Hook, Signer, believed

NAMES = registry.NAMES


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Give the name of each provider in turn."""
    return str(request.param)


@pytest.fixture
def signer(name: str) -> Signer:
    """Give what signs for it."""
    return signing.SIGNERS[name]()


@pytest.fixture
def provider(name: str, signer: Signer) -> Provider:
    """Give it with that key."""
    return signing.provider(name, **{signer.setting: signer.key})


@pytest.fixture
def hook(signer: Signer) -> Hook:
    """Give a webhook that is signed right."""
    return signer.sign(signer.body)


def test_a_signed_webhook_is_believed_and_tells_of_an_event(provider: Provider, hook: Hook) -> None:
    assert believed(hook, provider)
    [event], _ = provider.events(hook.body)
    assert (event.type, event.recipient, event.provider) == (EventType.DELIVERED, "bob@example.com", provider.name)


def test_one_bit_changed_anywhere_is_refused(provider: Provider, hook: Hook) -> None:
    forged = [hook.flipped(at, bit) for stretch in hook.covered for at in stretch for bit in range(8)]
    forged += [
        hook.flipped_header(n, at, bit) for n, v in hook.headers.items() for at in range(len(v)) for bit in range(8)
    ]
    assert len(forged) > 800
    assert [f for f in forged if believed(f, provider)] == []


def test_without_a_key_all_are_refused_and_the_setting_is_named(name: str, signer: Signer, hook: Hook) -> None:
    for nothing in ("", " , "):
        with pytest.raises(InvalidSignature, match=signer.setting) as caught:
            signing.provider(name, **{signer.setting: nothing}).verify(hook.headers, hook.body, now=NOW)
        assert caught.value.code == "no_key"


def test_while_a_key_is_replaced_both_are_good(name: str, hook: Hook, signer: Signer) -> None:
    other = signing.mailgun_signer("another") if name == "mailgun" else signing.SIGNERS[name]()
    both = signing.provider(name, **{signer.setting: f"{other.key}, {signer.key}"})
    assert believed(hook, both)
    assert believed(other.sign(other.body), both)
    assert not believed(hook, signing.provider(name, **{signer.setting: other.key}))


@pytest.mark.parametrize("away", [timedelta(minutes=-10), timedelta(), timedelta(hours=8), timedelta(hours=12)])
def test_retries_and_clocks_that_differ_are_taken(provider: Provider, hook: Hook, away: timedelta) -> None:
    assert believed(hook, provider, now=NOW + away)


@pytest.mark.parametrize(
    ("away", "code"), [(timedelta(minutes=-10, seconds=-1), "in_future"), (timedelta(hours=25, seconds=1), "too_old")]
)
def test_what_was_signed_at_another_time_is_refused(provider: Provider, hook: Hook, away: timedelta, code: str) -> None:
    with pytest.raises(InvalidSignature) as caught:
        provider.verify(hook.headers, hook.body, now=NOW + away)
    assert caught.value.code == code


@pytest.mark.parametrize("at", ["", "now", "1795521600.0", "-1", " 1795521600", "1" * 12, "\u0661795521600"])
def test_a_time_that_is_none_is_refused(provider: Provider, signer: Signer, at: str) -> None:
    assert not believed(signer.sign(signer.body, at=at), provider)


def test_a_token_is_to_be_remembered_for_as_long_as_it_would_be_taken(provider: Provider, hook: Hook) -> None:
    verified = provider.verify(hook.headers, hook.body, now=NOW)
    if verified.token:  # else its events are known by their ids
        assert not believed(hook, provider, now=verified.token.until)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 60_000, b'{"signature":[]}', b'"x"'])
def test_what_nobody_signed_is_refused_whatever_it_is(provider: Provider, body: bytes) -> None:
    assert not believed(Hook({}, body), provider)


def test_a_body_that_is_none_is_kept_for_a_person(provider: Provider) -> None:
    events, [bad] = provider.events(b"<html>\x00" + b"x" * 9_000)
    assert events == []
    assert bad.raw.startswith("<html> xxx")
    assert len(bad.raw) <= 4_000
    assert "html" not in repr(bad), "it may hold addresses"


def fields(name: str, **changed: Any) -> dict[str, Any]:
    """Return an event of this provider with fields of ours in it; None leaves one out."""
    who = {"sendgrid": "email", "mailgun": "recipient"}[name]
    known: dict[str, Any] = {
        "event": "delivered",
        "timestamp": 1_795_521_600,
        who: "bob@example.com",
        "id": "e",
        "sg_event_id": "e",
    }
    return {key: value for key, value in (known | changed).items() if value is not None}


def told(provider: Provider, event: object) -> tuple[list[Event], list[Quarantined]]:
    """Return what a provider reads of one event."""
    return provider.events(json.dumps([event] if provider.name == "sendgrid" else {"event-data": event}).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"event": None}, {"event": ""}, {"event": "\0"}, {"event": 5}, {"event": ["delivered"]},
        {"timestamp": None}, {"timestamp": "soon"}, {"timestamp": True}, {"timestamp": float("nan")},
        {"timestamp": float("inf")}, {"timestamp": 1e300}, {"timestamp": -1}, {"timestamp": 1_795_521_600_000},
        {"email": 5, "recipient": 5}, {"email": "bob", "recipient": "bob"},
        {"email": "a\0@example.com", "recipient": "a\0@example.com"},
        {"email": "a" * 300 + "@b", "recipient": "a" * 300 + "@b"},
    ],
)  # fmt: skip
def test_a_piece_that_is_no_event_is_quarantined_with_a_reason(provider: Provider, changed: dict[str, Any]) -> None:
    events, [bad] = told(provider, fields(provider.name, **changed))
    assert events == []
    assert bad.reason in ("does not say what happened", "has no time", "has a recipient that is no address")
    assert json.loads(bad.raw.replace("NaN", "0").replace("Infinity", "0"))


@pytest.mark.parametrize("raw", ["account_status_change", "something_new", "DELIVERED", "\ud800new"])
def test_a_type_that_nobody_knows_is_kept(provider: Provider, raw: str) -> None:
    [event], [] = told(provider, fields(provider.name, event=raw, email=None, recipient=None))
    assert (event.type, event.recipient) == (EventType.UNKNOWN, None)
    assert event.raw_type == raw.replace("\ud800", "").strip()


def test_addresses_and_what_no_database_could_store_are_not_in_the_detail(provider: Provider) -> None:
    words = "550 no <bob@example.com>\0\n\ud800 " + "very " * 2_000 + "bob@example.com"
    failed = {"reason": words, "response": words, "delivery-status": {"message": words}, "severity": "temporary"}
    kind = {"sendgrid": "deferred", "mailgun": "failed"}[provider.name]
    [event], [] = told(provider, fields(provider.name, event=kind, **failed))
    assert event.detail.startswith("550 no <b***@example.com>    very")
    assert len(event.detail) == 300


@pytest.mark.parametrize("before", range(1_970, 2_010))
def test_no_cut_lets_half_an_address_through(provider: Provider, before: int) -> None:
    # Masked, the many short ones shrink to less than what is kept.
    words = ("x" * 300 + "@example.com ") * 6
    words = words + "y" * (before - len(words) - 1) + " bob@secret.example.com and so on, and on, and on"
    failed = {"reason": words, "response": words, "delivery-status": {"message": words}, "severity": "temporary"}
    kind = {"sendgrid": "deferred", "mailgun": "failed"}[provider.name]
    [event], [] = told(provider, fields(provider.name, event=kind, **failed))
    assert "bob" not in event.detail


def test_a_url_is_kept_whole_within_bounds_and_out_of_logs(provider: Provider) -> None:
    kind = {"sendgrid": "click", "mailgun": "clicked"}[provider.name]
    url = "https://example.com/reset?token=hush#x"
    [event], [] = told(provider, fields(provider.name, event=kind, url=url))
    assert event.url == url
    assert "hush" not in repr(event)
    assert "bob" not in repr(event)
    [event], [] = told(provider, fields(provider.name, event=kind, url="https://example.com/" + "x" * 9_000))
    assert event.url
    assert len(event.url) == 2_000
    [event], [] = told(provider, fields(provider.name, url=url))
    assert event.url is None, "nobody clicked"


@pytest.mark.parametrize("broken", [5, "", "x" * 256, "a\0b", ["x"], {"x": 1}, None])
def test_ids_that_are_none_are_left_out(provider: Provider, broken: object) -> None:
    ours = {"mailer_envelope_id": broken, "mailer_attempt_id": "a-1", "mailer_project_id": broken}
    [event], [] = told(provider, fields(provider.name, **ours, **{"user-variables": ours}))
    assert (event.envelope_id, event.attempt_id, event.project_id) == (None, "a-1", None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
# Names and words that the parsers look at, so that they get deeper than their first line.
NAMED = (
    "event", "timestamp", "email", "recipient", "id", "sg_event_id", "sg_message_id", "type", "status", "reason",
    "response", "url", "severity", "delivery-status", "user-variables", "client-info", "message", "reject",
    "bounce_classification",
    "sg_machine_open", "mailer_envelope_id", "headers", "to", "message-id", "category", "enhanced-code", "bot",
)  # fmt: skip
KNOWN = (
    "delivered", "bounce", "failed", "rejected", "click", "clicked", "open", "opened", "deferred",
    "permanent", "temporary",
    "blocked", "suppress-bounce", "bob@example.com", "5.1.1", 1_795_521_600, 1_795_521_600.5,
)  # fmt: skip
leaves = st.sampled_from(KNOWN) | json_values
pieces = st.dictionaries(
    st.sampled_from(NAMED), leaves | st.dictionaries(st.sampled_from(NAMED), leaves, max_size=4), max_size=12
)
# As `pieces`, but always an event of a kind: what else there is decides.
likely = st.tuples(pieces, st.sampled_from(("bounce", "failed", "rejected", "click", "opened", "new"))).map(
    lambda p: {**p[0], "event": p[1], "timestamp": 1_795_521_600, "id": "e", "sg_event_id": "e"}
)
bodies = (
    st.binary(max_size=60)
    | (pieces | likely | json_values).map(lambda v: json.dumps({"event-data": v, "signature": v}).encode())
    | (st.lists(pieces | likely, max_size=3) | json_values).map(lambda v: json.dumps(v).encode())
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=600, deadline=None)
@given(body=bodies)
@example(body=b'[{"event":"bounce","timestamp":1795521600,"status":' + b"[" * 400 + b"]" * 400 + b"}]")
@example(body=b"[" * 100_000)
@example(body=b'{"event-data":' * 900 + b"1" + b"}" * 900)
def test_no_body_makes_it_raise_and_nothing_is_lost(name: str, body: bytes) -> None:
    provider = signing.provider(name)
    events, bad = provider.events(body)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    expected = len(data) if name == "sendgrid" and isinstance(data, list) else 1
    assert len(events) + len(bad) == expected
    for event in events:
        assert "\0" not in repr(event)
        event.detail.encode()
        event.raw_type.encode()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=300, deadline=None)
@given(
    body=bodies,
    headers=st.dictionaries(st.sampled_from(sorted(signing.SIGNERS["sendgrid"]().sign(b"").headers)), st.text()),
)
def test_nothing_that_is_not_signed_is_believed_or_breaks_it(name: str, body: bytes, headers: dict[str, str]) -> None:
    signer = signing.SIGNERS[name]()
    assert not believed(Hook(headers, body), signing.provider(name, **{signer.setting: signer.key}))


@pytest.mark.parametrize("key", ["a-very-secret-key", "MFkw", "%%%", "", "é"])
def test_a_key_of_sendgrid_that_is_none_is_refused_at_the_start(key: str) -> None:
    with pytest.raises(ConfigurationError, match="SENDGRID_WEBHOOK_KEY"):
        signing.provider("sendgrid", SENDGRID_WEBHOOK_KEY=f"{signing.sendgrid_signer().key},{key or '='}")


def test_a_key_of_sendgrid_with_something_behind_it_is_refused_at_the_start() -> None:
    longer = base64.b64encode(base64.b64decode(signing.sendgrid_signer().key) + b"x").decode()
    with pytest.raises(ConfigurationError, match="SENDGRID_WEBHOOK_KEY"):
        signing.provider("sendgrid", SENDGRID_WEBHOOK_KEY=longer)


def test_a_key_of_sendgrid_with_a_slip_of_the_pen_is_named_when_it_is_needed() -> None:
    signer = signing.sendgrid_signer()
    slipped = base64.b64encode(base64.b64decode(signer.key)[:-32] + bytes(32)).decode()
    hook = signer.sign(signer.body)
    with pytest.raises(ConfigurationError, match="SENDGRID_WEBHOOK_KEY"):
        signing.provider("sendgrid", SENDGRID_WEBHOOK_KEY=slipped).verify(hook.headers, hook.body, now=NOW)


def test_of_a_long_piece_that_is_no_event_only_so_much_is_kept(provider: Provider) -> None:
    _, [bad] = told(provider, fields(provider.name, timestamp=None, long="x" * 9_000))
    assert len(bad.raw) == 4_000
