"""A fault: how a provider is to fail, said as data and checked whole before it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

Mode = Literal["status", "hang", "reset", "refuse", "trickle", "latency"]
MODES: tuple[str, ...] = get_args(Mode)

# These answers come after the provider took the mail in as often as before: the caller cannot know.
_ACCEPTING_STATUSES = frozenset({500, 502, 504})
_HOUR = 3600


class FaultError(ValueError):
    """What was put is no fault; carries every problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How to fail.

    Attributes:
        mode: `status` answers with it; `hang` says nothing; `reset` tears the connection down; `refuse` closes the
            listener; `trickle` gives the true answer byte by byte; `latency` gives it late.
        status: HTTP status, with mode `status` only.
        body: instead of the provider's own body; a string is sent as it is, anything else as JSON.
        retry_after: seconds, sent as `Retry-After`.
        latency_ms: milliseconds before anything happens; with `trickle` between two bytes.
        hang_seconds: how long a hanging request says nothing before its connection is closed.
        percent: share of the requests that are hit, drawn by lot.
        times: requests hit before it switches itself off; None for ever.
        accepts: whether the mail is taken in (if valid) all the same, so that the caller fails yet the mail is sent.
    """

    mode: Mode
    status: int | None = None
    body: Any = None
    retry_after: int | None = None
    latency_ms: int = 0
    hang_seconds: int = _HOUR
    percent: int = 100
    times: int | None = None
    accepts: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as it could be put again."""
        shown: dict[str, Any] = {"mode": self.mode}
        for name in ("status", "body", "retry_after", "times"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name)
        if self.latency_ms:
            shown["latency_ms"] = self.latency_ms
        if self.mode == "hang":
            shown["hang_seconds"] = self.hang_seconds
        if self.mode in ("status", "hang", "reset"):
            shown["accepts"] = self.accepts
        return {**shown, "percent": self.percent} if self.mode != "refuse" else shown


def parse(data: object) -> Fault:
    """Return the fault that `data`, parsed JSON, describes. Raises FaultError with every problem."""
    if not isinstance(data, dict):
        raise FaultError(["a fault is a JSON object"])
    given = {"mode": _implied_mode(data), **data}
    problems = [*_unknown(given), *_wrong(given), *_unfit(given)]
    if problems:
        raise FaultError(problems)
    return Fault(**{"accepts": _accepts(given), **given})


def _implied_mode(data: dict[str, Any]) -> str:
    """A status alone is mode `status`, a latency alone is mode `latency`."""
    return "latency" if "latency_ms" in data and "status" not in data else "status"


def _accepts(given: dict[str, Any]) -> bool:
    return given["mode"] in ("hang", "reset") or given.get("status") in _ACCEPTING_STATUSES


def _unknown(given: dict[str, Any]) -> Iterator[str]:
    for name in given.keys() - Fault.__dataclass_fields__.keys():
        yield f"{name}: there is no such field"


def _wrong(given: dict[str, Any]) -> Iterator[str]:
    if given["mode"] not in MODES:
        yield f"mode: must be one of {', '.join(MODES)}"
    numbers = {
        "status": (200, 599),
        "retry_after": (0, 24 * _HOUR),
        "latency_ms": (1, _HOUR * 1000),
        "hang_seconds": (1, 24 * _HOUR),
        "percent": (1, 100),
        "times": (1, 1_000_000_000),
    }
    for name, (least, most) in numbers.items():
        if name in given and not _is_number(given[name], least, most):
            yield f"{name}: must be a whole number from {least} to {most}"
    if "accepts" in given and not isinstance(given["accepts"], bool):
        yield "accepts: must be true or false"


def _unfit(given: dict[str, Any]) -> Iterator[str]:
    """Name the fields that mean nothing with this mode: dropped in silence they would mislead."""
    mode = given["mode"]
    if mode == "status" and "status" not in given:
        yield "status: is required with mode status"
    for name in ("status", "body", "retry_after"):
        if name in given and mode != "status":
            yield f"{name}: goes with mode status only"
    if "hang_seconds" in given and mode != "hang":
        yield "hang_seconds: goes with mode hang only"
    if "accepts" in given and mode not in ("status", "hang", "reset"):
        yield f"accepts: does not go with mode {mode}"
    if mode in ("latency", "trickle") and "latency_ms" not in given:
        yield f"latency_ms: is required with mode {mode}"
    for name in ("latency_ms", "percent", "times"):
        if name in given and mode == "refuse":
            yield f"{name}: does not go with mode refuse, which closes the listener for all"


def _is_number(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
