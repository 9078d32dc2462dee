"""Which provider takes an envelope, and which is next."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from mailer.errors import ConfigurationError
from mailer.outcome import Outcome
from mailer.routing import Call, Pause, Routing, Tried, next_step
from tests.factories import NOW

BOTH = ("sendgrid", "mailgun")
NO, UNKNOWN = Outcome.NOT_ACCEPTED, Outcome.UNKNOWN
SOON = NOW + timedelta(seconds=30)


def first_choices(text: str, available: tuple[str, ...] = BOTH, n: int = 2000) -> Counter[str]:
    routing, dice = Routing.parse(text, providers=BOTH), random.Random(7)
    return Counter(routing.route(available, uniform=dice.uniform)[0] for _ in range(n))


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("failover", BOTH),
        ("failover:mailgun,sendgrid", ("mailgun", "sendgrid")),
        ("failover:mailgun", ("mailgun", "sendgrid")),
        ("mailgun, sendgrid", ("mailgun", "sendgrid")),
    ],
)
def test_failover_keeps_its_order_and_the_other_provider_remains_the_fallback(
    text: str, route: tuple[str, ...]
) -> None:
    assert Routing.parse(text, providers=BOTH).route(BOTH, uniform=random.uniform) == route


@pytest.mark.parametrize("text", ["weighted:sendgrid=70,mailgun=30", "sendgrid=70,mailgun=30"])
def test_weights_share_out_the_first_calls(text: str) -> None:
    assert 1330 <= first_choices(text)["sendgrid"] <= 1470


def test_a_weighted_route_still_holds_every_provider() -> None:
    routing = Routing.parse("sendgrid=100,mailgun=0", providers=BOTH)
    assert routing.route(BOTH, uniform=random.uniform) == BOTH


def test_a_provider_without_settings_is_on_no_route() -> None:
    assert first_choices("sendgrid=70,mailgun=30", available=("mailgun",)) == {"mailgun": 2000}


@pytest.mark.parametrize(
    "text", ["failover:postmark", "sendgrid=x", "sendgrid=-1", "sendgrid=0,mailgun=0", "sendgrid=nan"]
)
def test_a_routing_that_makes_no_sense_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="MAILER_ROUTING"):
        Routing.parse(text, providers=BOTH)


def step(
    *tried: Tried, closed: dict[str, datetime] | None = None, resting: bool = False, route: tuple[str, ...] = BOTH
) -> Call | Pause:
    return next_step(route, tried, closed or {}, resting=resting, now=NOW)


def test_the_first_call_goes_to_the_first_provider() -> None:
    assert step() == Call("sendgrid", 0)


def test_after_a_refusal_the_next_provider_is_called_at_once() -> None:
    assert step(Tried("sendgrid", 0, NO)) == Call("mailgun", 0)


def test_after_a_whole_round_there_is_a_pause_and_then_a_new_round() -> None:
    round_0 = (Tried("sendgrid", 0, NO), Tried("mailgun", 0, NO))
    assert step(*round_0) == Pause(1, None)
    assert step(*round_0, resting=True) == Call("sendgrid", 1)


def test_after_an_unknown_the_next_call_prefers_a_provider_whose_last_answer_was_clear() -> None:
    assert step(Tried("sendgrid", 0, UNKNOWN)) == Call("mailgun", 0)
    assert step(Tried("sendgrid", 0, UNKNOWN), Tried("mailgun", 0, NO), resting=True) == Call("mailgun", 1)


def test_when_every_provider_has_an_unknown_the_next_call_waits_for_backoff() -> None:
    both = (Tried("sendgrid", 0, UNKNOWN), Tried("mailgun", 0, UNKNOWN))
    assert step(*both) == Pause(1, None)
    assert step(*both, resting=True) == Call("sendgrid", 1)
    assert step(*both, Tried("sendgrid", 1, UNKNOWN)) == Pause(2, None)


def test_after_an_unknown_a_clear_provider_is_waited_for_rather_than_asking_the_same_again() -> None:
    unknown = Tried("sendgrid", 0, UNKNOWN)
    assert step(unknown, closed={"mailgun": SOON}, resting=True) == Pause(1, SOON)
    asked = Tried("mailgun", 0, NO, not_before=SOON)
    assert step(unknown, asked, resting=True) == Pause(1, SOON)
    assert step(unknown, asked, resting=True, closed={"mailgun": NOW}) == Pause(1, SOON)


def test_a_provider_that_asked_for_time_is_left_alone_until_then() -> None:
    asked = Tried("sendgrid", 0, NO, not_before=SOON)
    assert step(asked, Tried("mailgun", 0, NO), resting=True) == Call("mailgun", 1)


def test_an_open_breaker_passes_the_call_to_the_other_provider() -> None:
    assert step(closed={"sendgrid": SOON}) == Call("mailgun", 0)


def test_when_nobody_may_be_called_the_pause_ends_with_the_first_who_may() -> None:
    closed = {"sendgrid": SOON, "mailgun": SOON + timedelta(seconds=10)}
    assert step(closed=closed) == Pause(0, SOON)


def test_a_breaker_past_its_time_lets_a_call_through() -> None:
    assert step(closed={"sendgrid": NOW}) == Call("sendgrid", 0)


def test_a_single_provider_is_tried_again_after_a_pause() -> None:
    alone = ("mailgun",)
    assert step(Tried("mailgun", 0, NO), route=alone) == Pause(1, None)
    assert step(Tried("mailgun", 0, NO), route=alone, resting=True) == Call("mailgun", 1)
