"""Which provider takes an envelope: the route, chosen once, and the next call along it. Pure decisions."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailer.errors import ConfigurationError
from mailer.outcome import Outcome

_PLAN = re.compile(r"^(?:(failover|weighted)(?::|$))?(.*)$")


@dataclass(frozen=True, slots=True)
class Routing:
    """How routes are chosen: `MAILER_ROUTING`.

    Attributes:
        weights: share of first calls by provider, in order of preference; all None for failover.
    """

    weights: Mapping[str, float | None]

    @classmethod
    def parse(cls, text: str, *, providers: Sequence[str]) -> Routing:
        """Read `failover`, `failover:mailgun,sendgrid`, `weighted:sendgrid=70,mailgun=30` or `sendgrid=70,mailgun=30`.

        Args:
            text: the setting.
            providers: the names of those that exist, in their default order.

        Raises:
            ConfigurationError: an unknown provider, a weight that is none, or no share at all.
        """
        match = _PLAN.match(text.strip())
        mode, listed = (match[1], match[2]) if match else (None, text)
        entries = [_entry(part) for part in listed.split(",") if part.strip()] or [(name, None) for name in providers]
        weighted = mode == "weighted" or (mode is None and any(w is not None for _, w in entries))
        weights = {name: (1.0 if w is None else w) if weighted else None for name, w in entries}
        if unknown := [name for name in weights if name not in providers]:
            raise ConfigurationError(f"MAILER_ROUTING names {unknown[0]!r}; there is {', '.join(providers)}")
        if weighted and sum(w or 0 for w in weights.values()) <= 0:
            raise ConfigurationError("MAILER_ROUTING: some weight must be above 0")
        return cls(weights)

    def route(
        self,
        available: Collection[str],
        *,
        uniform: Callable[[float, float], float],
        silent: Collection[str] = frozenset(),
    ) -> tuple[str, ...]:
        """Return the ordered providers of one envelope: all that are available, whoever comes first.

        Args:
            silent: providers that accept and report nothing: they come last.
        """
        order = self._route(available, uniform)
        return (*(name for name in order if name not in silent), *(name for name in order if name in silent))

    def _route(self, available: Collection[str], uniform: Callable[[float, float], float]) -> tuple[str, ...]:
        order = [name for name in self.weights if name in available]
        order += [name for name in available if name not in order]
        first = self._first(order, uniform)
        return (first, *(name for name in order if name != first)) if first else tuple(order)

    def _first(self, order: Sequence[str], uniform: Callable[[float, float], float]) -> str | None:
        shares = [(name, self.weights.get(name) or 0) for name in order]
        point = uniform(0, sum(share for _, share in shares))
        for name, share in shares:
            if share and point <= share:
                return name
            point -= share
        return None


def _entry(part: str) -> tuple[str, float | None]:
    name, equals, weight = (p.strip() for p in part.partition("="))
    if not equals:
        return name, None
    try:
        value = float(weight)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise ConfigurationError(f"MAILER_ROUTING: {part.strip()!r} needs a number of 0 or more")
    return name, value


@dataclass(frozen=True, slots=True)
class Tried:
    """What routing needs to know of one earlier attempt of an envelope."""

    provider: str
    round: int
    outcome: Outcome
    not_before: datetime | None = None  # the provider asked not to be called again before


@dataclass(frozen=True, slots=True)
class Call:
    """Call this provider now; `round` counts the passes along the route."""

    provider: str
    round: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Nobody may be called now. `until` is known when somebody asked to be left alone until then."""

    round: int
    until: datetime | None


def next_step(
    route: Sequence[str],
    tried: Sequence[Tried],
    closed_until: Mapping[str, datetime],
    *,
    resting: bool,
    now: datetime,
) -> Call | Pause:
    """Decide the next call of an envelope.

    Within a round every provider is called once. A provider whose last answer was *unknown* is called only to begin
    a round, and after the others: the mail may well be there already.

    Args:
        route: the providers in order.
        tried: earlier attempts, oldest first.
        closed_until: providers whose breaker is open, for this envelope's From domain too.
        resting: whether the pause before a new round is already over.
        now: the current time.
    """
    last = {t.provider: t for t in tried}
    this_round = tried[-1].round if tried else 0
    called = {t.provider for t in tried if t.round == this_round}
    fresh = [p for p in route if p not in called and not _is_unknown(last.get(p))]
    blocked = {p: until for p in route if (until := _blocked(p, last, closed_until)) and until > now}
    for provider in fresh:
        if provider not in blocked:
            return Call(provider, this_round)
    begun = bool(called)
    if begun and not resting:
        return Pause(this_round + 1, _earliest(route, blocked))
    # A new round begins: first those that did not leave us in the dark, then whoever did so longest ago. While one of
    # the former is only left alone for a moment, it is waited for: the latter may have the mail already.
    clear = [p for p in route if not _is_unknown(last.get(p))]
    if len(clear) < len(route) and clear and all(p in blocked for p in clear):
        return Pause(this_round + begun, min(blocked[p] for p in clear))
    for provider in sorted(route, key=lambda p: tried.index(last[p]) + 1 if _is_unknown(last.get(p)) else 0):
        if provider not in blocked:
            return Call(provider, this_round + begun)
    return Pause(this_round + begun, _earliest(route, blocked))


def _is_unknown(attempt: Tried | None) -> bool:
    return attempt is not None and attempt.outcome is Outcome.UNKNOWN


def _blocked(provider: str, last: Mapping[str, Tried], closed_until: Mapping[str, datetime]) -> datetime | None:
    asked = last[provider].not_before if provider in last else None
    times = [t for t in (asked, closed_until.get(provider)) if t is not None]
    return max(times) if times else None


def _earliest(route: Sequence[str], blocked: Mapping[str, datetime]) -> datetime | None:
    # Somebody free is waited for by backoff alone.
    return min(blocked.values()) if blocked and all(p in blocked for p in route) else None
