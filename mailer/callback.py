"""A callback as a value: how it is signed (Standard Webhooks 1.0.0), what came of it, and when to try again."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from standardwebhooks import Webhook

USER_AGENT = "mailer-callback/1"

# An endpoint that has failed for so long is left alone ...
GIVE_UP_AFTER = timedelta(hours=24)
# ... but for one callback now and then, which shows whether it is back.
PROBE_EVERY = timedelta(hours=1)

# Seconds before the next try, by failures in a row; then 4 hours each.
_PAUSES = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0)
# Endpoints that failed together do not come back in step.
_JITTER = (0.8, 1.2)

_PREFIX = "whsec_"
_BYTES = 32
_LEAST_BYTES, _MOST_BYTES = 24, 64
# A dot would let a part of the id be read as the timestamp.
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class Secret:
    """What one endpoint's callbacks are signed with.

    Attributes:
        text: as both sides keep it: `whsec_` and the base64 of 24 to 64 bytes. In no log and no repr.

    Raises:
        ValueError: from the constructor, if it has another form; the text is fit to be shown and does not repeat it.
    """

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what verifying libraries would refuse, or what is too short to be a secret."""
        encoded = self.text.removeprefix(_PREFIX)
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        # Encoded again it must be the same: bits that nobody reads would make two texts of one key.
        canonical = base64.b64encode(key).decode() == encoded
        if not (self.text.startswith(_PREFIX) and canonical and _LEAST_BYTES <= len(key) <= _MOST_BYTES):
            raise ValueError(f"must be {_PREFIX} and the base64 of {_LEAST_BYTES} to {_MOST_BYTES} random bytes")

    @classmethod
    def new(cls, random: Callable[[int], bytes] = secrets.token_bytes) -> Secret:
        """Return a fresh one."""
        return cls(_PREFIX + base64.b64encode(random(_BYTES)).decode())


def headers(keys: Sequence[Secret], *, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of one POST.

    Args:
        keys: every secret that is valid now, the newest first; several while one replaces another.
        id: of the callback, the same at each try: what the endpoint knows a repetition by. Letters, digits, `-`, `_`.
        at: the time of this try; verifiers refuse one that is five minutes off.
        body: the JSON, byte for byte as it is sent.

    Raises:
        ValueError: there is no key, the id has other characters, or the time is naive.
    """
    if not keys or not _ID.fullmatch(id) or at.tzinfo is None:
        raise ValueError("a callback needs a key, an id of letters and digits, and an aware time")
    # The library takes any time for UTC.
    moment, text = at.astimezone(UTC), body.decode()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(key.text).sign(id, moment, text) for key in keys),
        "content-type": "application/json",
        "user-agent": USER_AGENT,
    }


def pause(failures: int, uniform: Callable[[float, float], float], *, asked: float | None = None) -> float:
    """Return the seconds to wait after so many failures in a row (1 for the first): about 5 s, 30 s, ... 4 h.

    Args:
        failures: in a row, with the one that has just happened.
        uniform: `random.uniform`, or what a test puts there.
        asked: seconds that the endpoint asked for (`Told.retry_after`): not before that.
    """
    step = _PAUSES[min(max(failures, 1), len(_PAUSES)) - 1]
    return max(step * uniform(*_JITTER), asked or 0.0)


class Fault(StrEnum):
    """Why a POST got no usable answer."""

    FORBIDDEN_ADDRESS = "forbidden_address"
    DNS = "dns"
    NO_CONNECTION = "no_connection"
    TLS = "tls"
    # No answer within the time; one that began and did not end.
    TIMEOUT = "timeout"
    TOO_SLOW = "too_slow"
    # The connection broke before the answer was whole; what came is no HTTP.
    NO_ANSWER = "no_answer"
    NOT_HTTP = "not_http"
    REDIRECTED = "redirected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one POST.

    Attributes:
        status: HTTP status; None when no answer began.
        duration_ms: from the resolution of the name to the end of the answer.
        excerpt: how the answer begins, printable and with addresses masked; may be empty.
        error: why there was no usable answer; None when there was one, whatever its status.
        retry_after: seconds that the endpoint asked us to wait, at most a day; None when it did not say.
    """

    status: int | None = None
    duration_ms: int = 0
    excerpt: str = ""
    error: Fault | None = None
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the endpoint has it: a whole answer with a status of 2xx."""
        return self.error is None and self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the endpoint wants no more of them: 410."""
        return self.status == 410
