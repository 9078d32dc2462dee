"""What becomes of a mail: told by the local part of the recipient's address, so that a test can choose it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "accepted", "delivered", "deferred", "bounced", "blocked", "full",
    "complained", "unsubscribed", "opened", "machine", "clicked", "dropped",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens.

    Attributes:
        at: seconds after the mail was taken in.
        told: when its webhooks are sent, in seconds after the mail was taken in; empty: never.
    """

    kind: Kind
    at: float
    told: tuple[float, ...]


# A breath after the answer, as mostly with the real ones.
_AT_ONCE = 0.05
_SOON = 0.3
_LATER = 0.8
_LATE = 10.0
_AGAIN = 0.3


def _step(kind: Kind, at: float, *told: float) -> Step:
    return Step(kind, at, told or (at,))


_IN = _step("accepted", 0, _AT_ONCE)
_OUT = _step("delivered", _SOON)
USUAL = (_IN, _OUT)

STORIES: dict[str, tuple[Step, ...]] = {
    "bounce": (_IN, _step("bounced", _SOON)),
    "soft": (_IN, _step("deferred", _SOON), _step("delivered", _LATER)),
    "block": (_IN, _step("blocked", _SOON)),
    "full": (_IN, _step("full", _SOON)),
    "complaint": (*USUAL, _step("complained", _LATER)),
    "unsubscribe": (*USUAL, _step("unsubscribed", _LATER)),
    "open": (*USUAL, _step("opened", _LATER)),
    "machine": (*USUAL, _step("machine", _LATER)),
    "click": (*USUAL, _step("clicked", _LATER)),
    "late": (_IN, _step("delivered", _LATE)),
    "twice": (
        _step("accepted", 0, _AT_ONCE, _AT_ONCE + _AGAIN),
        _step("delivered", _SOON, _SOON, _SOON + _AGAIN),
    ),
    "disorder": (_step("accepted", 0, _LATER), _OUT),
    "drop": (_step("dropped", 0, _AT_ONCE),),
    # Taken in, and then never heard of: so the Events API knows at least that.
    "silent": (Step("accepted", 0, ()),),
}

LONGEST = max(step.at for story in (USUAL, *STORIES.values()) for step in story)


def story(address: str) -> tuple[Step, ...]:
    """Return what happens to a mail to this address; `bounce+7@` is as good as `bounce@`."""
    local = address.rpartition("@")[0].partition("+")[0]
    return STORIES.get(local.lower(), USUAL)
