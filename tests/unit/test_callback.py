"""Callbacks are signed so that the official library believes them, and come again at the right time."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from mailer.callback import GIVE_UP_AFTER, PROBE_EVERY, Fault, Secret, Told, headers, pause

BODY = '{"type":"message.delivered","data":{"name":"Zoë"}}'.encode()
ID = "0192f7c4-0000-7000-8000-000000000001"


def now() -> datetime:
    # The library's verification knows only the real time.
    return datetime.now(UTC)


def middle(low: float, high: float) -> float:
    """Stand for the random number in the middle."""
    return (low + high) / 2


def test_the_official_library_believes_what_is_signed() -> None:
    key = Secret.new()
    signed = headers([key], id=ID, at=now(), body=BODY)
    assert Webhook(key.text).verify(BODY, signed)["data"] == {"name": "Zoë"}
    assert signed["webhook-id"] == ID
    assert signed["content-type"] == "application/json"
    assert signed["user-agent"].startswith("mailer")


def test_the_example_of_the_library_has_the_signature_that_its_tests_name() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, the vector that its libraries share.
    key = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = headers([key], id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=at, body=b'{"test": 2432232314}')
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signed["webhook-timestamp"] == "1614265330"


def test_while_secrets_change_both_are_believed_and_the_newest_signs_first() -> None:
    old, new, other = Secret.new(), Secret.new(), Secret.new()
    at = now()
    both = headers([new, old], id=ID, at=at, body=BODY)
    for key in (old, new):
        Webhook(key.text).verify(BODY, both)
    with pytest.raises(WebhookVerificationError):
        Webhook(other.text).verify(BODY, both)
    alone = [headers([key], id=ID, at=at, body=BODY)["webhook-signature"] for key in (new, old)]
    assert both["webhook-signature"].split(" ") == alone


@pytest.mark.parametrize("change", ["body", "id", "time"])
def test_what_was_changed_on_the_way_is_not_believed(change: str) -> None:
    key = Secret.new()
    signed = headers([key], id=ID, at=now(), body=BODY)
    body = BODY + b" " if change == "body" else BODY
    if change == "id":
        signed["webhook-id"] = "other"
    if change == "time":
        signed["webhook-timestamp"] = str(int(signed["webhook-timestamp"]) + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(key.text).verify(body, signed)


def test_a_time_of_another_zone_is_the_same_time() -> None:
    key, at = Secret.new(), now()
    there = at.astimezone(timezone(timedelta(hours=9)))
    assert headers([key], id=ID, at=at, body=BODY) == headers([key], id=ID, at=there, body=BODY)
    Webhook(key.text).verify(BODY, headers([key], id=ID, at=there, body=BODY))


@pytest.mark.parametrize(
    ("count", "id", "at"),
    [
        (0, ID, datetime(2026, 11, 24, tzinfo=UTC)),
        (1, "", datetime(2026, 11, 24, tzinfo=UTC)),
        (1, "a.1", datetime(2026, 11, 24, tzinfo=UTC)),
        (1, "a\r\nx: y", datetime(2026, 11, 24, tzinfo=UTC)),
        (1, "a\n", datetime(2026, 11, 24, tzinfo=UTC)),
        (1, ID, datetime(2026, 11, 24)),  # noqa: DTZ001 -- that is the point
    ],
)
def test_without_a_key_with_an_odd_id_or_a_naive_time_nothing_is_signed(count: int, id: str, at: datetime) -> None:
    with pytest.raises(ValueError, match="a callback needs"):
        headers([Secret.new()] * count, id=id, at=at, body=BODY)


def test_a_new_secret_is_32_random_bytes() -> None:
    first, second = Secret.new(), Secret.new()
    assert first != second
    assert first.text.startswith("whsec_")
    assert len(base64.b64decode(first.text[6:])) == 32
    assert Secret.new(lambda count: b"x" * count).text == "whsec_" + base64.b64encode(b"x" * 32).decode()


@pytest.mark.parametrize("length", [24, 25, 26, 32, 64])
def test_a_secret_of_24_to_64_bytes_is_taken_and_works(length: int) -> None:
    key = Secret("whsec_" + base64.b64encode(random.Random(length).randbytes(length)).decode())
    Webhook(key.text).verify(BODY, headers([key], id=ID, at=now(), body=BODY))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "hush",
        base64.b64encode(b"x" * 32).decode(),
        "WHSEC_" + base64.b64encode(b"x" * 32).decode(),
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_" + base64.b64encode(b"x" * 32).decode().rstrip("="),
        "whsec_" + base64.b64encode(b"x" * 32).decode() + "\n",
        " whsec_" + base64.b64encode(b"x" * 32).decode(),
        "whsec_" + base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        "whsec_" + base64.b64encode(b"x" * 32).decode()[:-2] + "h=",
        "whsec_" + "ü" * 40,
    ],
)
def test_a_secret_of_another_form_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="must be whsec_ and the base64 of 24 to 64") as refusal:
        Secret(text)
    assert len(text) < 10 or text not in str(refusal.value)


def test_a_secret_is_not_in_the_text_form() -> None:
    key = Secret.new()
    assert key.text[8:20] not in repr(key) + str(key)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [
        (1, 5), (2, 30), (3, 120), (4, 600), (5, 1800), (6, 3600), (7, 7200), (8, 14_400), (9, 14_400), (10**9, 14_400),
    ],
)  # fmt: skip
def test_the_pauses_grow_up_to_four_hours(failures: int, seconds: float) -> None:
    assert pause(failures, middle) == pytest.approx(seconds)
    assert pause(failures, min) == pytest.approx(0.8 * seconds)
    assert pause(failures, max) == pytest.approx(1.2 * seconds)


def test_an_endpoint_that_asks_for_more_time_gets_it_and_one_that_asks_for_less_does_not() -> None:
    assert pause(1, middle, asked=600) == 600
    assert pause(5, middle, asked=1) == pytest.approx(1800)


def test_an_endpoint_is_given_up_after_a_day_and_probed_every_hour() -> None:
    assert (timedelta(hours=24), timedelta(hours=1)) == (GIVE_UP_AFTER, PROBE_EVERY)


@pytest.mark.parametrize(
    ("told", "ok", "gone"),
    [
        (Told(status=200), True, False),
        (Told(status=204), True, False),
        (Told(status=299), True, False),
        (Told(status=101), False, False),
        (Told(status=302, error=Fault.REDIRECTED), False, False),
        (Told(status=404), False, False),
        (Told(status=410), False, True),
        (Told(status=500), False, False),
        (Told(status=200, error=Fault.TOO_SLOW), False, False),
        (Told(error=Fault.DNS), False, False),
    ],
)
def test_only_a_whole_answer_of_2xx_is_a_yes_and_only_410_is_the_end(told: Told, ok: bool, gone: bool) -> None:
    assert (told.ok, told.gone) == (ok, gone)
