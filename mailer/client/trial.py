"""When a call is asked again, and with what patience: rules without I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from mailer.client import answer
from mailer.client.calls import Call
from mailer.client.error import ServiceError
from mailer.errors import ConfigurationError, ProviderError
from mailer.ports import HttpRequest

# Seconds: the ceiling of the first pause, doubled each time, and of every pause.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0

Uniform = Callable[[float, float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the service is, and who asks it.

    Raises:
        ConfigurationError: the address or the key cannot be one.
    """

    url: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{self.url!r} is no address: it begins with http:// or https://")
        if not self.key or not self.key.isascii() or not self.key.isprintable() or " " in self.key:
            raise ConfigurationError("an API key is needed: visible ASCII characters")

    def request(self, call: Call[Any], *, deadline: float) -> HttpRequest:
        """Return the request that carries a call."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json", **call.headers}
        if call.body:
            headers["Content-Type"] = "application/json"
        return HttpRequest(call.method, self.url.rstrip("/") + call.path, headers, call.body, deadline=deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call may take.

    Attributes:
        retries: how often it is asked again.
        deadline: seconds for all of it, pauses included.
        uniform: where the jitter comes from.
    """

    retries: int = 3
    deadline: float = 60.0
    uniform: Uniform = random.uniform

    def __post_init__(self) -> None:
        if self.retries < 0 or not 0 < self.deadline < math.inf:
            raise ConfigurationError("retries must be 0 or more, deadline more than 0 seconds")

    def within(self, seconds: float) -> Patience:
        """Return one that is over after so many seconds at the latest."""
        return replace(self, deadline=min(self.deadline, seconds))

    def pause(self, error: ServiceError, call: Call[Any], *, tried: int, passed: float) -> float | None:
        """Return the seconds after which the call is asked again, None where it is not.

        Args:
            tried: how often it has been asked.
            passed: seconds since it was asked first.
        """
        if tried > self.retries or not error.temporary or not (call.repeatable or error.certain):
            return None
        # Never below Retry-After; the jitter keeps those who were told the same from coming back together.
        jitter = self.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tried - 1)))
        seconds = (error.retry_after or 0.0) + jitter
        return seconds if passed + seconds < self.deadline else None


class Trial:
    """One call and how often it has been asked.

    Args:
        clock: seconds, steady.
    """

    def __init__(self, call: Call[Any], *, target: Target, patience: Patience, clock: Callable[[], float]) -> None:
        self._call, self._target, self._patience, self._clock = call, target, patience, clock
        self._begun = clock()
        self._tried = 0

    def request(self) -> HttpRequest:
        """Return what is to be sent now."""
        self._tried += 1
        # What was decided to be sent is sent, if only for a moment.
        left = max(0.001, self._patience.deadline - (self._clock() - self._begun))
        return self._target.request(self._call, deadline=left)

    def pause(self, error: ProviderError | ServiceError) -> float:
        """Return the seconds to wait before the call is asked again.

        Raises:
            ServiceError: it is not asked again; this is what came of it.
        """
        failed = answer.no_answer(error, self._target.url) if isinstance(error, ProviderError) else error
        passed = self._clock() - self._begun
        seconds = self._patience.pause(failed, self._call, tried=self._tried, passed=passed)
        if seconds is None:
            raise failed from None
        return seconds
