"""A check: one question to the system, answered within a bounded time whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from mailer.errors import MailerError

# Longer than any bound below it: the database's statements (15 s), a provider's connect and read timeouts of a probe.
SECONDS = 20.0


class Level(StrEnum):
    """How well it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        found: what is the case, in a few words.
        cure: what to do about it; empty where all is well.
    """

    name: str
    level: Level
    found: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A name and the question; whatever the question raises is a finding too."""

    name: str
    ask: Callable[[], Finding]


def ok(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name=name, level=Level.OK, found=found)


def warning(name: str, found: str, cure: str) -> Finding:
    """Something deserves a look; mails go on."""
    return Finding(name=name, level=Level.WARNING, found=found, cure=cure)


def failed(name: str, found: str, cure: str) -> Finding:
    """Something is broken."""
    return Finding(name=name, level=Level.FAILED, found=found, cure=cure)


def examine(checks: Sequence[Check], *, seconds: float = SECONDS) -> Iterator[Finding]:
    """Ask all questions at once and yield the findings in order, each within `seconds`.

    One that hangs is left hanging: its thread ends with the process.
    """
    found: dict[str, Finding] = {}
    threads = [threading.Thread(target=_ask, args=(check, found), daemon=True) for check in checks]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for check, thread in zip(checks, threads, strict=True):
        thread.join(max(0.0, deadline - time.monotonic()))
        yield found.get(check.name) or failed(check.name, f"no answer within {seconds:.0f} s", "it hangs: look at it")


def _ask(check: Check, found: dict[str, Finding]) -> None:
    with _surprises(check.name, found):
        found[check.name] = check.ask()


@contextmanager
def _surprises(name: str, found: dict[str, Finding]) -> Iterator[None]:
    try:
        yield
    except MailerError as error:
        found[name] = failed(name, str(error), "")
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on and the operator sees it
        found[name] = failed(name, f"{type(error).__name__}: {error}", "this is not expected: please report it")
