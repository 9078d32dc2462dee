"""The states of an envelope: every (state, input) has an answer."""

from __future__ import annotations

from itertools import product

from mailer.delivery import DELIVERY_AT, FINAL, EnvelopeInput, EnvelopeStatus, move, sources, target

S, I = EnvelopeStatus, EnvelopeInput  # noqa: E741 -- a table is read more easily in single letters

# The specification, written out: rows are states, columns are inputs; a dash says that nothing moves.
COLUMNS = (I.CLAIM, I.ACCEPT, I.RETRY, I.WAIT, I.GIVE_UP, I.FAIL, I.EXPIRE)
TABLE = {
    S.SCHEDULED: "-         -         -       -        -        -       expired",
    S.QUEUED: "sending   accepted  -       -        unknown  failed  expired",
    S.SENDING: "-         accepted  queued  unknown  unknown  failed  expired",
    S.UNKNOWN: "sending   accepted  queued  -        unknown  failed  -",
    S.ACCEPTED: "-         -         -       -        -        -       -",
    S.FAILED: "-         -         -       -        -        -       -",
    S.CANCELED: "-         -         -       -        -        -       -",
    S.EXPIRED: "-         -         -       -        -        -       -",
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


def test_nothing_leaves_a_final_state() -> None:
    assert all(move(status, event) is status for status, event in product(FINAL, EnvelopeInput))


def test_every_state_of_an_envelope_says_something_of_its_recipients() -> None:
    assert set(DELIVERY_AT) == set(EnvelopeStatus)
