"""The tree of processes as Linux's /proc shows it: who descends from whom, and an end for what is left."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from deploy.local.port import wait_until

PROC = Path("/proc")


def parents() -> dict[int, int]:
    """Parent of every living process; empty where there is no /proc."""
    found = {int(entry.name): _parent(int(entry.name)) for entry in PROC.glob("[0-9]*")}
    return {pid: parent for pid, parent in found.items() if parent is not None}


def descendants(root: int) -> list[int]:
    """Every living process below `root`, parents before children."""
    known = parents()
    found = [root]
    for pid in found:
        found += [child for child, parent in known.items() if parent == pid]
    return found[1:]


def alive(pids: Iterable[int]) -> list[int]:
    """Those of `pids` that live."""
    return [pid for pid in pids if _parent(pid) is not None]


def children() -> list[int]:
    """This process's own children, with those that have ended and that nobody has collected."""
    lists = [tasks.read_text(encoding="ascii").split() for tasks in PROC.glob("self/task/*/children")]
    return [int(pid) for pids in lists for pid in pids]


def send(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def end(pids: Iterable[int], *, grace: float = 1.0) -> None:
    """Returns when all of `pids` have ended: by themselves within `grace` seconds, or by SIGKILL."""
    family = list(pids)
    if wait_until(lambda: not alive(family), timeout=grace, interval=0.02):
        return
    for pid in alive(family):
        send(pid, signal.SIGKILL)
    wait_until(lambda: not alive(family), timeout=5)


def _parent(pid: int) -> int | None:
    """None for a process that has ended; a zombie has."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # "pid (any name, even with brackets) state parent ..."
    state, parent = text.rpartition(")")[2].split()[:2]
    return None if state in "ZX" else int(parent)
