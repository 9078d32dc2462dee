"""When to come back."""

from __future__ import annotations

import pytest

from mailer.retry import Backoff, retry_after
from tests.factories import NOW


def ceiling(_: float, high: float) -> float:
    """Stand for the largest random number."""
    return high


def floor(low: float, _: float) -> float:
    """Stand for the smallest."""
    return low


@pytest.mark.parametrize(("retry", "seconds"), [(0, 15), (1, 30), (2, 60), (5, 480), (6, 900), (1000, 900)])
def test_the_ceiling_of_the_pause_doubles_up_to_the_maximum(retry: int, seconds: int) -> None:
    assert Backoff(15, 900).pause(retry=retry, uniform=ceiling) == seconds


def test_a_pause_is_never_shorter_than_a_second() -> None:
    assert Backoff(15, 900).pause(retry=3, uniform=floor) == 1


@pytest.mark.parametrize(
    ("header", "words", "seconds"),
    [
        ("30", "", 30),
        ("Tue, 24 Nov 2026 12:01:00 GMT", "", 60),
        ("Tue, 24 Nov 2026 11:00:00 GMT", "", 0),
        (None, "limit exceeded, try again after 120 seconds", 120),
        (None, "limit exceeded, try again after Tue, 24 Nov 2026 12:00:30 UTC", 30),
        ("soon", "", None),
        ("-5", "", None),
        ("1764000000", "", 3600),
        ("1764000000000", "", 3600),
        ("9" * 400, "", 3600),
        ("\u00b2", "", None),
        ("Tue, 24 Nov 2026 12:01:00 +99999999", "", None),
        (None, "", None),
    ],
)
def test_what_a_provider_asks_for_is_understood(header: str | None, words: str, seconds: float | None) -> None:
    assert retry_after(header, words, now=NOW) == seconds
