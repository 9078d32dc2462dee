"""The short form: storms of faults over one system each, one seed. The full form is `make chaos`.

CHAOS_SEED repeats a storm; it is in the message of a failure.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest

from tests.chaos import cluster, rolling
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.run import run, strike
from tests.chaos.system import System
from tests.chaos.verdict import Verdict

SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10_000))

DEATHS = ("kill-worker", "kill-api", "kill-api-before-publish", "kill-beat", "kill-rabbit", "kill-all-workers")
NETWORK = ("cut-worker-broker", "cut-worker-providers", "sendgrid-accepts-and-hangs", "poison", "memory-alarm")
DATABASE = ("kill-database", "cut-worker-database", "hang-worker-database")
HANGS = ("stop-worker", "stop-api", "stop-beat", "stop-database", "stop-rabbit")
CAREFUL = (
    "kill-worker, fail",
    "kill-database, fail",
    "hang-worker-providers, fail",
    "sendgrid-accepts-and-hangs, fail",
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


def named(*names: str) -> list[Fault]:
    """Return faults by their names."""
    by_name = {fault.name: fault for fault in FAULTS}
    return [by_name[name] for name in names]


def holds(verdict: Verdict, faults: Sequence[Fault]) -> None:
    """Check both promises."""
    assert verdict.good, f"CHAOS_SEED={SEED}: {verdict}"
    if not any(fault.twice for fault in faults):
        assert verdict.twice == 0, f"CHAOS_SEED={SEED}: {verdict}"


@pytest.mark.parametrize(
    ("database", "names"),
    [
        pytest.param("postgresql", DEATHS + NETWORK, id="deaths and networks, PostgreSQL"),
        pytest.param("sqlite", DEATHS, id="deaths, SQLite"),
        pytest.param("postgresql", DATABASE + HANGS, id="the database, and hangs"),
        pytest.param("postgresql", CAREFUL, id="on_unknown=fail: nobody is mailed twice"),
    ],
)
def test_a_storm_loses_nothing_and_sends_nothing_twice_unseen(database: str, names: tuple[str, ...]) -> None:
    faults = named(*names)
    random.Random(SEED).shuffle(faults)
    with System(database=database) as system:
        verdict = strike(system, faults, mails=60 * len(faults), seed=SEED, rate=10, name=f"storm ({database})")
    holds(verdict, faults)


@pytest.mark.parametrize(
    ("database", "name"),
    [
        ("postgresql", "all-queues-deleted"),
        ("postgresql", "mailgun-accepts-and-resets, wait"),
        pytest.param("postgresql", "disk-full-for-the-spool", marks=needs_root),
        pytest.param("sqlite", "disk-full-for-sqlite", marks=needs_root),
    ],
)
def test_one_fault_loses_nothing_and_sends_nothing_twice_unseen(database: str, name: str) -> None:
    [fault] = named(name)
    holds(run(fault, database=database, mails=150, seed=SEED, rate=20), [fault])


def test_a_node_of_the_cluster_is_killed() -> None:
    assert cluster.run(mails=150, seed=SEED, rate=15).good


def test_a_deploy_under_load_loses_nothing_and_sends_nothing_twice() -> None:
    verdict = rolling.run(mails=400, seed=SEED, rate=40, rounds=1)
    assert (verdict.lost, verdict.twice, verdict.received) == (0, 0, 400), f"CHAOS_SEED={SEED}: {verdict}"
