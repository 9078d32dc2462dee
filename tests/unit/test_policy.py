"""What follows the outcome of an attempt: design.md section 5, line by line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailer import ids
from mailer.delivery import EnvelopeInput, EnvelopeStatus, Lane, OnUnknown
from mailer.ledger import Attempt, Move, Work
from mailer.outcome import Outcome
from mailer.policy import Policy
from mailer.retry import Backoff
from tests.factories import NOW, attempt, message

I = EnvelopeInput  # noqa: E741 -- a table is read more easily in single letters
NO, UNKNOWN, REJECTED, ACCEPTED = Outcome.NOT_ACCEPTED, Outcome.UNKNOWN, Outcome.REJECTED, Outcome.ACCEPTED
POLICY = Policy(backoff=Backoff(15, 900), unknown_limit=4, wait_seconds=2400, grace=60, uniform=lambda _, high: high)


def work(*attempts: Attempt, **changed: Any) -> Work:
    values: dict[str, Any] = {
        "id": ids.new(), "project_id": "default", "request_id": "r", "lane": Lane.TRANSACTIONAL,
        "on_unknown": OnUnknown.FAILOVER, "status": EnvelopeStatus.SENDING, "route": ("sendgrid", "mailgun"),
        "attempt_id": None, "next_attempt_at": None, "wake_at": None, "expires_at": NOW + timedelta(days=1),
        "created_at": NOW, "test": False, "message": message(), "recipients": (), "attempts": attempts, "breakers": (),
    }  # fmt: skip
    return Work(**values | changed)


def after(latest: Attempt, *earlier: Attempt, **changed: Any) -> Move:
    return POLICY.after(work(*earlier, **changed), latest, closed_until={}, now=NOW)


def test_accepted_is_the_end() -> None:
    move = after(attempt("sendgrid", ACCEPTED))
    assert (move.input, move.wake_at, move.next_attempt_at) == (I.ACCEPT, None, None)


def test_rejected_fails_for_good_and_the_second_provider_is_not_burnt() -> None:
    move = after(attempt("sendgrid", REJECTED, error_code="400"))
    assert (move.input, move.reason, move.wake_at) == (I.FAIL, "400", None)


def test_rejected_after_an_unknown_rests_as_unknown_since_failed_would_be_a_lie() -> None:
    assert after(attempt("mailgun", REJECTED), attempt("sendgrid", UNKNOWN)).input is I.GIVE_UP


@pytest.mark.parametrize("outcome", [NO, UNKNOWN])
def test_not_accepted_and_unknown_go_to_the_next_provider_at_once(outcome: Outcome) -> None:
    move = after(attempt("sendgrid", outcome))
    assert (move.input, move.next_attempt_at, move.provider) == (I.RETRY, None, "mailgun")
    assert move.wake_at == NOW + timedelta(seconds=60), "the sweep looks after it if the task is lost"


def test_when_all_have_refused_it_comes_back_with_backoff() -> None:
    move = after(attempt("mailgun", NO), attempt("sendgrid", NO))
    assert (move.input, move.next_attempt_at) == (I.RETRY, NOW + timedelta(seconds=15))
    assert move.wake_at == NOW + timedelta(seconds=75)
    second = after(attempt("mailgun", NO, round=1), attempt("sendgrid", NO, round=1))
    assert second.next_attempt_at == NOW + timedelta(seconds=30)


def test_it_comes_back_no_sooner_than_everybody_asked_for() -> None:
    asked = NOW + timedelta(seconds=200)
    move = after(attempt("mailgun", NO, not_before=asked), attempt("sendgrid", NO, not_before=asked))
    assert move.next_attempt_at == asked + timedelta(seconds=15), "and not all at that very second"


def test_a_retry_beyond_the_expiry_is_made_at_the_expiry_where_it_ends() -> None:
    end = NOW + timedelta(seconds=5)
    move = after(attempt("mailgun", NO), attempt("sendgrid", NO), expires_at=end)
    assert move.next_attempt_at == end


def test_after_the_expiry_nothing_is_tried_again() -> None:
    assert after(attempt("sendgrid", NO), expires_at=NOW).input is I.EXPIRE
    assert after(attempt("sendgrid", UNKNOWN), expires_at=NOW).input is I.GIVE_UP, "expired would be a lie"


def test_fail_rests_as_unknown_without_another_call() -> None:
    move = after(attempt("sendgrid", UNKNOWN), on_unknown=OnUnknown.FAIL)
    assert (move.input, move.wake_at) == (I.GIVE_UP, None)


def test_fail_still_fails_over_what_was_certainly_not_accepted() -> None:
    assert after(attempt("sendgrid", NO), on_unknown=OnUnknown.FAIL).provider == "mailgun"


def test_wait_rests_as_unknown_until_its_deadline_and_is_looked_after_meanwhile() -> None:
    move = after(attempt("sendgrid", UNKNOWN), on_unknown=OnUnknown.WAIT)
    at = NOW + timedelta(seconds=2400)
    assert (move.input, move.next_attempt_at, move.wake_at) == (I.WAIT, at, NOW + timedelta(seconds=30))
    end = NOW + timedelta(seconds=20)
    last = after(attempt("sendgrid", UNKNOWN), on_unknown=OnUnknown.WAIT, expires_at=end)
    assert (last.next_attempt_at, last.wake_at) == (end, end)


def test_unknown_at_every_provider_waits_for_backoff_before_the_next_call() -> None:
    move = after(attempt("mailgun", UNKNOWN), attempt("sendgrid", UNKNOWN))
    assert (move.input, move.next_attempt_at) == (I.RETRY, NOW + timedelta(seconds=15))


def test_at_the_limit_of_unknowns_it_rests_as_unknown() -> None:
    names = ("sendgrid", "mailgun", "sendgrid")
    earlier = [attempt(name, UNKNOWN, round=i // 2) for i, name in enumerate(names)]
    assert after(attempt("mailgun", UNKNOWN, round=1), *earlier).input is I.GIVE_UP
    assert after(attempt("mailgun", UNKNOWN, round=1), *earlier[:2]).input is I.RETRY
