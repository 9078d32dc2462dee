"""The states of an envelope: every (state, input) has an answer."""

from __future__ import annotations

from itertools import product

import pytest

from mailer.delivery import (
    BEFORE_REPLAY,
    DELIVERY_AT,
    FINAL,
    DeliveryStatus,
    EnvelopeInput,
    EnvelopeStatus,
    after_all,
    move,
    sources,
    target,
)
from mailer.outcome import Outcome

S, I, D = EnvelopeStatus, EnvelopeInput, DeliveryStatus  # noqa: E741 -- a table is read more easily in single letters

# The specification, written out: rows are states, columns are inputs; a dash says that nothing moves.
COLUMNS = (I.CLAIM, I.ACCEPT, I.RETRY, I.WAIT, I.GIVE_UP, I.FAIL, I.EXPIRE, I.REPLAY, I.CANCEL, I.SCHEDULE, I.RELEASE)
TABLE = {
    S.SCHEDULED: "sending   -         -       -        -        failed  expired  -       canceled  scheduled  queued",
    S.QUEUED: "sending   accepted  -       -        unknown  failed  expired  -       canceled  scheduled  queued",
    S.SENDING: "-         accepted  queued  unknown  unknown  failed  expired  -       -         -          -",
    S.UNKNOWN: "sending   accepted  queued  -        unknown  failed  -        queued  -         -          -",
    S.ACCEPTED: "-         -         -       -        -        -       -        -       -         -          -",
    S.FAILED: "-         -         -       -        -        -       -        queued  -         -          -",
    S.CANCELED: "-         -         -       -        -        -       -        -       -         -          -",
    S.EXPIRED: "-         -         -       -        -        -       -        queued  -         -          -",
}


def test_the_full_product_of_states_and_inputs_is_as_specified() -> None:
    assert set(COLUMNS) == set(EnvelopeInput)
    assert set(TABLE) == set(EnvelopeStatus)
    for status, event in product(EnvelopeStatus, EnvelopeInput):
        word = TABLE[status].split()[COLUMNS.index(event)]
        expected = status if word == "-" else EnvelopeStatus(word)
        assert move(status, event) is expected, (status, event)


def test_what_the_store_asks_of_the_table_agrees_with_it() -> None:
    for status, event in product(EnvelopeStatus, EnvelopeInput):
        if status in sources(event):
            assert move(status, event) is target(event)
        else:
            assert move(status, event) is status


U, N, R, A, ST = Outcome.UNKNOWN, Outcome.NOT_ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED, Outcome.STARTED


@pytest.mark.parametrize(
    ("outcome", "event", "others", "in_time", "follows"),
    [
        (N, I.RETRY, [], True, I.RETRY),
        (N, I.RETRY, [A], True, I.ACCEPT),
        (R, I.GIVE_UP, [U], True, I.GIVE_UP),
        (R, I.GIVE_UP, [A], True, I.ACCEPT),
        (R, I.GIVE_UP, [N], True, I.FAIL),  # what was unknown when the call was decided is a no by now
        (N, I.RETRY, [], False, I.RETRY),
        (N, I.RETRY, [U], False, None),
        (N, I.RETRY, [ST], False, None),
        (N, I.RETRY, [R], False, I.FAIL),
        (N, I.EXPIRE, [], False, None),
        (R, I.FAIL, [], False, I.FAIL),
        (U, I.RETRY, [R], False, None),
        (U, I.RETRY, [], False, None),
        (A, I.ACCEPT, [U], False, I.ACCEPT),
    ],
)
def test_what_follows_an_answer_depends_on_what_is_known_of_the_others(
    outcome: Outcome, event: EnvelopeInput, others: list[Outcome], in_time: bool, follows: EnvelopeInput | None
) -> None:
    assert after_all(outcome, event, others, in_time=in_time) is follows


def test_nothing_but_a_person_leaves_a_final_state() -> None:
    for status, event in product(FINAL, EnvelopeInput):
        assert move(status, event) is (S.QUEUED if status in sources(event) else status)
    assert {event for status, event in product(FINAL, EnvelopeInput) if status in sources(event)} == {I.REPLAY}


def test_what_was_accepted_or_canceled_is_never_replayed() -> None:
    assert sources(I.REPLAY) == {S.FAILED, S.UNKNOWN, S.EXPIRED}
    taken_back = {D.FAILED, D.UNKNOWN, D.EXPIRED, D.SUPPRESSED}
    assert taken_back == BEFORE_REPLAY, "and so are recipients of whom an event said more"


def test_every_state_of_an_envelope_says_something_of_its_recipients() -> None:
    assert set(DELIVERY_AT) == set(EnvelopeStatus)
