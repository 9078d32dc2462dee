"""A deploy under load: API, workers and beat are restarted one after the other, as a platform does it."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime

from deploy.local.port import wait_until
from tests.chaos.load import Load
from tests.chaos.run import REST, logs
from tests.chaos.system import System
from tests.chaos.verdict import Verdict, judge, moving

# A platform's patience after SIGTERM; our own settings in these runs are below it.
_PATIENCE = 20


def run(*, mails: int, seed: int, rate: float, rounds: int = 2) -> Verdict:
    """Restart everything `rounds` times while mails come in."""
    with System(environment={"WEB_CONCURRENCY": "2"}, slow_disk=False) as system:
        load = Load(system, mails, rate, seed)
        load.start()
        load.release()
        for number in range(rounds):
            wait_until(lambda at=(number + 0.3) / rounds: load.progress >= at, timeout=mails / rate + 60)  # type: ignore[misc]
            _deploy(system)
        ended = datetime.now(UTC)
        load.join()
        assert not load.refused, load.refused[:3]
        assert wait_until(lambda: not moving(system, load), timeout=REST, interval=0.5), logs(system)
        rested = datetime.now(UTC)
        time.sleep(2)
        return judge(system, load, fault=f"rolling restart at {rate:g} mails/s", ended=ended, rested=rested)


def _deploy(system: System) -> None:
    # gunicorn's own way: new processes with the new code, the old ones finish what they have.
    os.kill(system.web.pid, signal.SIGHUP)
    time.sleep(2)
    for process in (*system.workers, system.beat):
        process.stop(timeout=_PATIENCE)
        system.start(process)
