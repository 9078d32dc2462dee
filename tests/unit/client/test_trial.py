"""When a call is asked again: the rule as a table."""

from __future__ import annotations

import pytest

from mailer.client import error
from mailer.client.calls import cancel, get, reschedule
from mailer.client.error import ServiceError
from mailer.client.trial import FIRST_PAUSE, LONGEST_PAUSE, Patience

NOT_NOW = {"type": "http://x/problems/unavailable"}


def most(low: float, high: float) -> float:
    return high


def least(low: float, high: float) -> float:
    return low


GET, POST, PATCH = (
    get("x"), cancel("x", idempotency_key=None),
    reschedule("x", send_at=None, expires_at=None, if_match=None),
)  # fmt: skip
NEVER_LEFT, NO_ANSWER = error.NoAnswer("x", left=False), error.NoAnswer("x", left=True)
UNAVAILABLE = error.Unavailable("x", status=503, problem=NOT_NOW)
BACKLOG = error.Backlog("x", status=503, problem={"type": "http://x/problems/backlog"})
UNCERTAIN = error.Uncertain("x", status=503, problem={"type": "http://x/problems/uncertain"})
PROXY, LIMITED = error.Unavailable("x", status=503), error.RateLimited("x", status=429)
RUNNING, FAULT = error.IdempotencyKeyInUse("x", status=409), error.InternalError("x", status=500)
LATE, GONE = error.TooLate("x", status=409), error.NotFound("x", status=404)


@pytest.mark.parametrize(
    ("failure", "again", "certain"),
    [
        (NEVER_LEFT, True, True),
        (UNAVAILABLE, True, True),
        (BACKLOG, True, True),
        (LIMITED, True, True),
        (NO_ANSWER, True, False),
        (UNCERTAIN, True, False),
        (PROXY, True, False),
        (RUNNING, True, False),
        (FAULT, False, False),
        (error.UnreadableAnswer("x", status=200), False, False),
        (LATE, False, True),
        (GONE, False, True),
    ],
)
def test_who_is_asked_again(failure: ServiceError, again: bool, certain: bool) -> None:
    patience = Patience()
    pauses = [patience.pause(failure, call, tried=1, passed=0) is not None for call in (GET, POST, PATCH)]
    assert pauses == [again, again, again and certain]
    assert failure.certain is certain


def test_pauses_grow_to_a_limit() -> None:
    patience = Patience(retries=99, deadline=1e9, uniform=most)
    pauses = [patience.pause(NEVER_LEFT, GET, tried=tried, passed=0) for tried in (1, 2, 3, 50)]
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, LONGEST_PAUSE]


def test_no_pause_is_shorter_than_what_the_service_asks_for() -> None:
    told = error.RateLimited("x", status=429, retry_after=7.0)
    assert Patience(uniform=least).pause(told, GET, tried=1, passed=0) == 7.0
    assert Patience(uniform=most).pause(told, GET, tried=1, passed=0) == 7.0 + FIRST_PAUSE


@pytest.mark.parametrize(("tried", "passed", "again"), [(3, 0, True), (4, 0, False), (1, 9.4, True), (1, 9.5, False)])
def test_tries_and_time_are_bounded(tried: int, passed: float, again: bool) -> None:
    patience = Patience(retries=3, deadline=10.0, uniform=lambda _low, _high: 0.5)
    assert (patience.pause(NEVER_LEFT, GET, tried=tried, passed=passed) is not None) is again


def test_patience_is_only_ever_shortened() -> None:
    assert [Patience(deadline=10.0).within(seconds).deadline for seconds in (3, 30)] == [3, 10]
