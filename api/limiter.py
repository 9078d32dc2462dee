"""How often a key may ask, and all of them together; by the library `limits`, on Redis or in this process's memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import limits
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from mailer import log
from mailer.api_key import ApiKey
from mailer.errors import ConfigurationError
from mailer.settings import Settings

_log = log.get(__name__)

# After a failure nobody is counted for so many seconds: mail is worth more than a limit.
_QUIET = 5.0
_TIMEOUT = 0.5


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of one limit.

    Attributes:
        policy: its name in the headers.
        quota: requests in a window.
        window: seconds.
        left: requests.
        reset: seconds until the window is a new one.
    """

    policy: str
    quota: int
    window: int
    left: int
    reset: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and what is left of each limit that it was counted against."""

    passed: bool
    quotas: tuple[Quota, ...] = ()

    @property
    def retry_after(self) -> int:
        """Seconds until it is worth another try."""
        return max(1, min((q.reset for q in self.quotas if not q.left), default=1))


class Limiter:
    """Counts requests.

    Raises:
        ConfigurationError: a setting is not a rate, or names a storage that there is none of.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until = float("-inf")
        self._default = _rate("MAILER_RATE_KEY", settings.rate_key)
        self._all = _rate("MAILER_RATE_GLOBAL", settings.rate_global)
        options = {"socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT}
        try:
            storage = storage_from_string(
                settings.rate_storage,
                wrap_exceptions=True,
                **(options if settings.rate_storage.startswith("redis") else {}),
            )
        except Exception as error:
            raise ConfigurationError(f"MAILER_RATE_STORAGE cannot be used: {type(error).__name__}") from error
        self._counter = SlidingWindowCounterRateLimiter(storage)

    def count(self, key: ApiKey, *, cost: int = 1) -> Verdict:
        """Count a request (or as many as it stands for) and tell whether it may pass."""
        if self._clock() < self._quiet_until:
            return Verdict(passed=True)
        try:
            return self._count(key, cost)
        except StorageError as error:
            self._quiet_until = self._clock() + _QUIET
            _log.warning("limits.unavailable", error=type(error.storage_error).__name__)
            return Verdict(passed=True)

    def most(self, key: ApiKey) -> int | None:
        """Return how many requests at once are never too many for this key; None: any number."""
        amounts = [rate.amount for _, rate, _ in self._limits(key)]
        return min(amounts, default=None)

    def _count(self, key: ApiKey, cost: int) -> Verdict:
        quotas: list[Quota] = []
        for policy, rate, owner in self._limits(key):
            passed = self._counter.hit(rate, policy, owner, cost=cost)
            quotas.append(self._quota(policy, rate, owner))
            if not passed:
                return Verdict(passed=False, quotas=(*quotas[:-1], _none_left(quotas[-1])))
        return Verdict(passed=True, quotas=tuple(quotas))

    def _limits(self, key: ApiKey) -> Iterator[tuple[str, limits.RateLimitItem, str]]:
        own = limits.parse(key.rate) if key.rate else self._default
        if own is not None:
            yield "key", own, key.id
        if self._all is not None:
            yield "global", self._all, ""

    def _quota(self, policy: str, rate: limits.RateLimitItem, owner: str) -> Quota:
        stats = self._counter.get_window_stats(rate, policy, owner)
        reset = max(0, round(stats.reset_time - time.time()))
        return Quota(policy, rate.amount, rate.get_expiry(), max(0, stats.remaining), reset)


def _none_left(quota: Quota) -> Quota:
    # What is left may not be enough for a request that counts as many; a wait is what helps.
    return Quota(quota.policy, quota.quota, quota.window, 0, max(1, quota.reset))


def _rate(name: str, value: str) -> limits.RateLimitItem | None:
    if not value:
        return None
    try:
        return limits.parse(value)
    except ValueError:
        raise ConfigurationError(f"{name} must be a rate, e.g. 600/minute") from None
