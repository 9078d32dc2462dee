"""Endpoints as values: what they are told of, and what follows when they do not take it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailer.callback import Fault, Secret, Told
from mailer.endpoint import Disabled, Endpoint, Key, after, lies_at, place
from mailer.event import EventType, FeedType
from tests.factories import NOW

OK, NO, HANGS = Told(status=200), Told(status=500), Told(error=Fault.TIMEOUT)
PAUSE = 30.0


def endpoint(**changed: object) -> Endpoint:
    values = {
        "id": "e", "project_id": "default", "test": False, "url": "https://app.example.com/hooks",
        "keys": (Key(secret=Secret.new(), created_at=NOW),), "created_at": NOW,
    }  # fmt: skip
    return Endpoint(**values | changed)  # type: ignore[arg-type]


def told(e: Endpoint, *answers: Told, later: timedelta = timedelta()) -> Endpoint:
    return after(e, answers, now=NOW + later, pause=PAUSE)


def test_everything_that_providers_tell_can_be_told() -> None:
    assert {t.value for t in EventType} <= {t.value for t in FeedType}


def test_it_is_told_of_what_it_asked_for() -> None:
    some = endpoint(types=frozenset({FeedType.BOUNCED}))
    assert place(some, FeedType.BOUNCED, None) == some.url
    assert place(some, FeedType.OPENED, None) is None
    assert place(endpoint(), FeedType.OPENED, None) == some.url


def test_one_for_single_messages_is_told_where_they_say() -> None:
    e = endpoint(per_message=True)
    assert place(e, FeedType.BOUNCED, None) is None
    assert (
        place(e, FeedType.BOUNCED, "https://app.example.com/hooks/4711?x=1") == "https://app.example.com/hooks/4711?x=1"
    )
    assert place(e, FeedType.BOUNCED, "https://evil.example.com/hooks/4711") is None


@pytest.mark.parametrize(
    ("url", "lies"),
    [
        ("https://app.example.com/hooks", True),
        ("https://APP.example.com/hooks/a", True),
        ("https://app.example.com/hooks?a=b", True),
        ("https://app.example.com/hooksandmore", False),
        ("https://app.example.com/", False),
        ("http://app.example.com/hooks", False),
        ("https://app.example.com:8443/hooks", False),
        ("https://app.example.com.evil.com/hooks", False),
        ("https://app.example.com@evil.com/hooks", False),
        ("https://app.example.com/hooks/../admin", False),
        ("https://app.example.com/hooks/%2e%2E/admin", False),
        ("https://app.example.com/hooks/.%2e/admin", False),
        ("https://app.example.com/hooks\\..\\admin", False),
        ("//app.example.com/hooks", False),
        ("https://[app.example.com/hooks", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_url_lies_below_another_by_whole_parts_and_without_tricks(url: str, lies: bool) -> None:
    assert lies_at(url, "https://app.example.com/hooks") is lies


def test_one_failure_is_the_events_matter_several_are_the_endpoints() -> None:
    once = told(endpoint(), NO)
    assert (once.failures, once.rest_until, once.failing_since) == (1, None, NOW)
    assert told(once, HANGS).rest_until == NOW + timedelta(seconds=PAUSE)
    assert told(endpoint(), NO, HANGS, NO).rest_until == NOW + timedelta(seconds=PAUSE)
    assert told(endpoint(), NO, OK, NO, NO).failures == 0


def test_who_asks_for_peace_gets_it_at_once() -> None:
    assert told(endpoint(), Told(status=503, retry_after=90)).rest_until == NOW + timedelta(seconds=90)


def test_a_success_makes_everything_good() -> None:
    e = told(told(endpoint(), NO, NO, NO), OK)
    assert (e.failures, e.failing_since, e.rest_until, e.succeeded_at) == (0, None, None, NOW)


def test_after_a_day_of_failures_it_is_called_once_an_hour_and_a_success_enables_it() -> None:
    e = told(endpoint(), NO)
    assert told(e, NO, later=timedelta(hours=23)).disabled_reason is None
    off = told(e, NO, later=timedelta(hours=24))
    assert (off.disabled_reason, off.rest_until) == (Disabled.FAILING, NOW + timedelta(hours=25))
    still = told(off, NO, later=timedelta(hours=25))
    assert (still.disabled_at, still.rest_until) == (off.disabled_at, NOW + timedelta(hours=26))
    back = told(still, OK, later=timedelta(hours=26))
    assert (back.disabled_reason, back.disabled_at, back.rest_until) == (None, None, None)


def test_410_is_the_end() -> None:
    gone = told(endpoint(), Told(status=410), OK)
    assert (gone.disabled_reason, gone.rest_until) == (Disabled.GONE, None)


def test_what_is_switched_off_while_it_is_called_stays_off() -> None:
    for reason in (Disabled.BY_HAND, Disabled.GONE):
        off = endpoint().disabled(reason, now=NOW)
        for answer in (OK, NO, Told(status=410)):
            assert told(off, answer, later=timedelta(days=2)) == off


def test_the_old_secret_signs_for_a_day_beside_the_new_one() -> None:
    e = endpoint()
    old, new = e.keys[0].secret, Secret.new()
    rotated = e.rotated(new, now=NOW)
    assert rotated.signs_with(now=NOW + timedelta(hours=23)) == [new, old]
    assert rotated.signs_with(now=NOW + timedelta(hours=24)) == [new]
    assert replace(rotated, keys=rotated.rotated(Secret.new(), now=NOW).keys).signs_with(now=NOW)[1:] == [new]
