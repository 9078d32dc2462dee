"""Whom a suppression keeps from which message, and what events teach: the rules, written out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mailer.bounce import BounceClass
from mailer.delivery import Role
from mailer.event import Event, EventType
from mailer.suppression import NO_TO_LEFT, NOBODY_LEFT, Reason, end, first, in_the_way, is_soft, lesson
from tests.factories import NOW, message

# Rows: reason and stream of the suppression. Columns: messages. `x`: not sent.
MESSAGES: dict[str, dict[str, Any]] = {
    "transactional": {}, "receipts": {"stream": "receipts"}, "bulk": {"lane": "bulk"},
    "news": {"lane": "bulk", "stream": "news"}, "odd": {"lane": "bulk", "stream": "transactional"},
}  # fmt: skip
TABLE = {
    #                                transactional receipts bulk news odd
    (Reason.BOUNCED, ""): "          x             x        x    x    x",
    (Reason.COMPLAINED, ""): "       x             x        x    x    x",
    (Reason.MANUAL, ""): "           x             x        x    x    x",
    (Reason.MANUAL, "transactional"): "x           .        .    .    x",
    (Reason.MANUAL, "receipts"): "   .             x        .    .    .",
    (Reason.MANUAL, "news"): "       .             .        .    x    .",
    (Reason.UNSUBSCRIBED, ""): "     .             .        x    x    x",
    (Reason.UNSUBSCRIBED, "transactional"): ". .  .    .    x",
    (Reason.UNSUBSCRIBED, "receipts"): ".          x        .    .    .",
    (Reason.UNSUBSCRIBED, "bulk"): " .             .        x    .    .",
    (Reason.UNSUBSCRIBED, "news"): " .             .        .    x    .",
}


@pytest.mark.parametrize(("bar", "row"), TABLE.items())
def test_a_suppression_keeps_exactly_these_messages_back(bar: tuple[Reason, str], row: str) -> None:
    for (name, fields), mark in zip(MESSAGES.items(), row.split(), strict=True):
        assert (bar in in_the_way(message(**fields))) == (mark == "x"), name
        assert bar not in in_the_way(message(**fields, ignore_suppressions=True))


def event(type: EventType, **changed: Any) -> Event:
    values: dict[str, Any] = {}
    if type is EventType.BOUNCED:
        values = {"permanent": True, "bounce_class": BounceClass.UNKNOWN_USER}
    return Event(
        type=type, provider="p", provider_event_id="1", occurred_at=NOW, raw_type="x", **values | changed
    )  # fmt: skip


def test_these_events_and_no_others_teach_something() -> None:
    taught = {type: lesson(event(type)) for type in EventType}
    assert {type: reason for type, reason in taught.items() if reason} == {
        EventType.BOUNCED: Reason.BOUNCED, EventType.COMPLAINED: Reason.COMPLAINED,
        EventType.UNSUBSCRIBED: Reason.UNSUBSCRIBED,
    }  # fmt: skip


@pytest.mark.parametrize("kind", BounceClass)
def test_what_a_server_thinks_of_us_is_nothing_about_the_address(kind: BounceClass) -> None:
    about_us = kind in {BounceClass.BLOCKED, BounceClass.SPAM, BounceClass.POLICY}
    hard = event(EventType.BOUNCED, bounce_class=kind)
    assert (lesson(hard) is None) == about_us
    assert is_soft(replace(hard, permanent=False)) == (not about_us)
    assert not is_soft(hard)


def test_without_a_to_nothing_is_sent() -> None:
    assert end([Role.CC, Role.TO]) is None
    assert end([Role.CC, Role.BCC]) == NO_TO_LEFT
    assert end([]) == NOBODY_LEFT


def test_of_several_reasons_the_gravest_is_shown() -> None:
    assert first([Reason.MANUAL, Reason.UNSUBSCRIBED, Reason.BOUNCED]) is Reason.BOUNCED
    assert first([]) is None
