"""Every fault once, in short: nothing accepted is lost, and nobody is mailed twice without it being written down first.

Faults that do not stand in each other's way share an installation and follow one another; installations run side by
side, since most of the time is waiting. Only in `make chaos`: the cluster, the rolling restart, clocks that jump, and
the plain Celery task that shows what the checks would find elsewhere.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.run import small_disk, strike
from tests.chaos.system import System
from tests.chaos.verdict import Verdict

SEED = int(os.environ.get("CHAOS_SEED") or 1)
MAILS, RATE = 80, 8.0
# Installations at a time; each has ten processes.
AT_ONCE = 3


@dataclass(frozen=True, kw_only=True)
class Group:
    """Faults that happen to one installation, one after the other."""

    faults: tuple[str, ...]
    database: str = "postgresql"


# The longest first: the others run beside them.
GROUPS: dict[str, Group] = {
    "long": Group(faults=("stop-worker-longer-than-leases", "database-away-longer-than-leases")),
    "mails that kill": Group(faults=("poison-that-kills",)),
    "broker": Group(faults=("kill-rabbit", "cut-worker-broker", "hang-worker-broker", "stop-rabbit", "memory-alarm")),
    "database": Group(
        faults=(
            "kill-database", "cut-worker-database", "kill-workers-with-calls-unstored", "hang-worker-database",
            "stop-database",
        )
    ),
    "processes": Group(
        faults=(
            "kill-worker", "kill-all-workers", "stop-worker", "kill-api", "kill-api-before-publish", "stop-api",
            "kill-beat", "stop-beat", "poison",
        )
    ),
    "sqlite": Group(database="sqlite", faults=("kill-worker", "kill-all-workers", "stop-worker", "kill-api")),
    "fail": Group(faults=("kill-worker, fail", "kill-database, fail", "sendgrid-accepts-and-hangs, fail")),
    "wait": Group(faults=("kill-worker, wait", "kill-database, wait", "sendgrid-accepts-and-hangs, wait")),
    "providers": Group(
        faults=("cut-worker-providers", "hang-worker-sendgrid", "sendgrid-accepts-and-hangs", "both-providers-down")
    ),
    "queues": Group(faults=("all-queues-deleted",)),
    "disk of the spool": Group(faults=("disk-full-for-the-spool",)),
    "disk of sqlite": Group(database="sqlite", faults=("disk-full-for-sqlite",)),
}  # fmt: skip


def possible(name: str) -> bool:
    """Tell whether we may do that here: to mount a small disk needs root."""
    return os.geteuid() == 0 or not name.startswith("disk")


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Future[Verdict]]:
    """Give the verdict of every group."""
    done: dict[str, Future[Verdict]] = {}
    open_systems: dict[Future[Verdict], ExitStack] = {}
    with ThreadPoolExecutor(AT_ONCE) as threads, ExitStack() as everything:
        for name, group in GROUPS.items():
            if not possible(name):
                continue
            if len(open_systems) == AT_ONCE:
                close_one(open_systems)
            # Here and not in its thread: what the main thread starts is tied to our life.
            stack = everything.enter_context(ExitStack())
            system = begin(group, stack)
            done[name] = threads.submit(judged, name, group, system)
            open_systems[done[name]] = stack
        while open_systems:
            close_one(open_systems)
    return done


def close_one(open_systems: dict[Future[Verdict], ExitStack]) -> None:
    """Wait for one run to end, and stop its installation."""
    for ended in wait(open_systems, return_when=FIRST_COMPLETED).done:
        open_systems.pop(ended).close()


def begin(group: Group, stack: ExitStack) -> System:
    """Return a running installation."""
    faults = named(group)
    environment = {name: value for fault in faults for name, value in fault.environment.items()}
    var = stack.enter_context(small_disk(faults[0].small_disk))
    return stack.enter_context(System(database=group.database, environment=environment, var=var))


def judged(name: str, group: Group, system: System) -> Verdict:
    """Let the group's faults happen."""
    begun = time.monotonic()
    verdict = strike(system, named(group), mails=MAILS, seed=SEED, rate=RATE, name=name)
    print(f"\n{verdict.row()} {time.monotonic() - begun:.0f} s")
    return verdict


def named(group: Group) -> list[Fault]:
    """Return the group's faults."""
    known = {fault.name: fault for fault in FAULTS}
    return [known[name] for name in group.faults]


@pytest.mark.parametrize("name", GROUPS)
def test_nothing_is_lost_and_nobody_is_mailed_twice_unannounced(
    name: str, verdicts: dict[str, Future[Verdict]]
) -> None:
    if not possible(name):
        pytest.skip("to mount a small disk needs root")
    verdict = verdicts[name].result()
    print(Verdict.head(), verdict.row(), sep="\n")
    assert verdict.accepted > MAILS / 2
    assert verdict.good, f"seed {SEED}: {verdict}"
