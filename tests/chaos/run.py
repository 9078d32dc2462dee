"""One run: a load, faults in the middle of it, and the verdict."""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.port import wait_until
from tests.chaos.faults import Fault
from tests.chaos.load import Load
from tests.chaos.system import System
from tests.chaos.verdict import Verdict, judge, moving

# Until everything is at rest: a backlog, a lease, a doubt, a wait, and patience.
REST = 240.0


def run(fault: Fault, *, database: str, mails: int, seed: int, rate: float) -> Verdict:
    """Let one fault happen to a system of its own."""
    with small_disk(fault.small_disk) as var, System(database=database, environment=fault.environment, var=var) as s:
        return strike(s, [fault], mails=mails, seed=seed, rate=rate, name=f"{fault.name} ({database})")


def strike(system: System, faults: Sequence[Fault], *, mails: int, seed: int, rate: float, name: str) -> Verdict:
    """Hand mails over, let the faults happen one after the other meanwhile, wait for rest, judge."""
    rng = random.Random(f"{name}-{seed}")
    [on_unknown] = {fault.on_unknown for fault in faults}
    load = Load(system, mails, rate, seed, on_unknown=on_unknown)
    load.start()
    for number, fault in enumerate(faults):
        begin = (number + rng.uniform(0.25, 0.5)) / len(faults)
        wait_until(lambda begin=begin: load.progress >= begin, timeout=mails / rate + 120)  # type: ignore[misc]
        fault.strike(system, rng)
    ended = datetime.now(UTC)
    load.join()
    assert not load.refused, load.refused[:3]
    with_queue = any(fault.lost_with_queue for fault in faults)
    resting = wait_until(lambda: not moving(system, load, lost_with_queue=with_queue), timeout=REST, interval=0.5)
    rested = datetime.now(UTC)
    verdict = judge(system, load, fault=name, ended=ended, rested=rested, lost_with_queue=with_queue)
    assert resting, f"{verdict}\nstill moving: {sorted(moving(system, load))[:5]}\n{logs(system)}"
    # What nobody expects any more may still be on its way: a late second mail would come now.
    time.sleep(2)
    return judge(system, load, fault=name, ended=ended, rested=rested, lost_with_queue=with_queue)


def logs(system: System) -> str:
    """Return the end of every process's log."""
    return "\n\n".join(f"{process.name}:\n{process.tail(25)}" for process in (*system.workers, system.web, system.beat))


@contextmanager
def small_disk(mebibytes: int | None) -> Iterator[Path | None]:
    """Give a directory on a disk of its own; needs root."""
    if mebibytes is None:
        yield None
        return
    directory = Path(tempfile.mkdtemp(prefix="mailer-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        # Whoever still has a file open there is about to end.
        wait_until(lambda: subprocess.run(["umount", str(directory)], check=False).returncode == 0, timeout=10)
        directory.rmdir()
