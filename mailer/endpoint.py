"""Endpoints: where an application is told what became of its mails, and how well that goes. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from mailer.callback import GIVE_UP_AFTER, PROBE_EVERY, Secret, Told
from mailer.event import FeedType

# So many calls at once that all fail, and it is the endpoint that is in trouble, not one event.
IN_TROUBLE = 3

# An endpoint whose answers take longer is called by itself: others would wait for it.
_SLOW_MS = 2_000
# How exactly it is known when it last took something: nobody writes at every call.
_KNOWN_TO = timedelta(minutes=1)

# How long the secret before the newest still signs.
ROTATION = timedelta(days=1)


class Disabled(StrEnum):
    """Why an endpoint is not called any more. `failing`: it is probed; by the others nobody asks it again."""

    BY_HAND = "by_hand"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What callbacks are signed with. `expires_at`: when it ends; None: it is the newest."""

    secret: Secret
    created_at: datetime
    expires_at: datetime | None = None

    def holds(self, *, now: datetime) -> bool:
        """Tell whether callbacks are signed with it."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an application is told.

    Attributes:
        types: what it is told of; none: everything.
        per_message: told only of messages whose `callback_url` lies at or below its URL.
        keys: the newest first.
        failures: how many times in a row it took nothing, since `failing_since`.
        rest_until: it is left alone until then.
        slow: its answers take long.
        succeeded_at: when it last took something, to the minute.
    """

    id: str
    project_id: str
    test: bool
    url: str
    description: str = ""
    types: frozenset[FeedType] = frozenset()
    per_message: bool = False
    keys: tuple[Key, ...]
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: Disabled | None = None
    failures: int = 0
    failing_since: datetime | None = None
    rest_until: datetime | None = None
    slow: bool = False
    succeeded_at: datetime | None = None

    @property
    def in_trouble(self) -> bool:
        """Whether whoever calls it may have to wait."""
        return self.failures > 0 or self.slow

    def signs_with(self, *, now: datetime) -> list[Secret]:
        """Return the secrets that hold, the newest first."""
        return [key.secret for key in self.keys if key.holds(now=now)]

    def rotated(self, secret: Secret, *, now: datetime) -> Endpoint:
        """Return it with another secret; that of until now holds for a day, so that nothing is refused meanwhile."""
        newest, *_ = self.keys
        old = replace(newest, expires_at=now + ROTATION)
        return replace(self, keys=(Key(secret=secret, created_at=now), old))

    def enabled_by_hand(self) -> Endpoint:
        """Return it as one that is called at once, whatever was before."""
        return replace(self, disabled_at=None, disabled_reason=None, failures=0, failing_since=None, rest_until=None)

    def disabled(self, reason: Disabled, *, now: datetime) -> Endpoint:
        """Return it as one that is not called any more; probed, if it only fails."""
        rest_until = now + PROBE_EVERY if reason is Disabled.FAILING else None
        return replace(self, disabled_at=now, disabled_reason=reason, rest_until=rest_until)


def place(endpoint: Endpoint, type: FeedType, callback_url: str | None) -> str | None:
    """Return the URL that an endpoint is told of an event at; None: it is not told.

    Args:
        callback_url: of the event's message.
    """
    if endpoint.types and type not in endpoint.types:
        return None
    if not endpoint.per_message:
        return endpoint.url
    return callback_url if callback_url is not None and lies_at(callback_url, endpoint.url) else None


def lies_at(url: str, root: str) -> bool:
    """Tell whether a URL is another one, or lies below it: same scheme and host, and whole parts of the path."""
    try:
        given, base = urlsplit(url), urlsplit(root)
    except ValueError:
        return False
    if (given.scheme, given.netloc.lower()) != (base.scheme, base.netloc.lower()):
        return False
    # A server may well resolve what we would only compare.
    if "\\" in url or any(part.lower().replace("%2e", ".") in (".", "..") for part in given.path.split("/")):
        return False
    return given.path == base.path or given.path.startswith(base.path.rstrip("/") + "/")


def after(endpoint: Endpoint, answers: Collection[Told], *, now: datetime, pause: float) -> Endpoint:
    """Return an endpoint after calls that were made together.

    One of many that is not taken is that event's matter; where nothing is taken, it is the endpoint's.

    Args:
        pause: seconds that it is left alone if it is in trouble.
    """
    if endpoint.disabled_reason not in {None, Disabled.FAILING}:
        return endpoint  # switched off while it was called
    if any(answer.gone for answer in answers):
        return endpoint.disabled(Disabled.GONE, now=now)
    if any(answer.ok for answer in answers):
        known = endpoint.succeeded_at is not None and now - endpoint.succeeded_at < _KNOWN_TO
        slow = sum(answer.duration_ms for answer in answers) / len(answers) > _SLOW_MS
        return replace(endpoint.enabled_by_hand(), slow=slow, succeeded_at=endpoint.succeeded_at if known else now)
    if not answers:
        return endpoint
    troubled = endpoint.failures > 0 or len(answers) >= IN_TROUBLE
    rest = max(pause if troubled else 0.0, *(answer.retry_after or 0.0 for answer in answers))
    failing = replace(
        endpoint,
        failures=endpoint.failures + 1,
        failing_since=endpoint.failing_since or now,
        rest_until=now + timedelta(seconds=rest) if rest else None,
    )
    if failing.failing_since is None or now - failing.failing_since < GIVE_UP_AFTER:
        return failing
    return replace(failing.disabled(Disabled.FAILING, now=now), disabled_at=endpoint.disabled_at or now)
