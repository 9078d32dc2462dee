"""One run: a load, faults in the middle of it, and the verdict."""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
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
    shares = len(faults) + 1
    for number, fault in enumerate(faults):
        load.release((number + 1) / shares)
        # In the middle of its share, so that mails are on their way when it strikes and while it lasts.
        begin = (number + rng.uniform(0.3, 0.7)) / shares
        wait_until(lambda begin=begin: load.progress >= begin, timeout=mails / rate + 120)  # type: ignore[misc]
        fault.strike(system, rng)
    ended = datetime.now(UTC)
    load.release()
    load.join()
    assert not load.refused, load.refused[:3]
    with_queue, waits = any(f.lost_with_queue for f in faults), any(f.waits for f in faults)
    still = partial(moving, system, load, lost_with_queue=with_queue, waits=waits)
    verdict = partial(
        judge, system, load, fault=name, ended=ended, lost_with_queue=with_queue, waits=waits,
        twice_allowed=all(fault.twice for fault in faults),
    )  # fmt: skip
    resting = wait_until(lambda: not still(), timeout=REST, interval=0.5)
    rested = datetime.now(UTC)
    assert resting, f"{verdict(rested=rested)}\nstill moving: {sorted(still())[:5]}\n{logs(system)}"
    # What nobody expects any more may still be on its way: a late second mail would come now.
    time.sleep(2)
    return verdict(rested=rested)


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
