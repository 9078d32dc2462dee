"""The id of a request."""

from __future__ import annotations

import pytest

from mailer import ids, request_id


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("req-1_a.b:c/d+e=", "req-1_a.b:c/d+e="),
        ("a b\r\nX-Evil: 1", "abX-Evil:1"),
        ("ünïcode", "ncode"),
        ("x" * 500, "x" * 128),
        ("anna@example.com", "annaexample.com"),
    ],
)
def test_a_wild_id_is_bounded_and_cleaned(given: str, kept: str) -> None:
    assert request_id.clean(given) == kept


@pytest.mark.parametrize("given", [None, "", "\r\n\x00", "äöü", 5])
def test_where_nothing_usable_is_left_a_new_id_is_made(given: object) -> None:
    assert ids.is_id(request_id.clean(given))


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [ids.new() for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000
