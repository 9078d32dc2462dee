"""One node of three is killed under load, whichever it is, and comes back: the queues go on without it."""

from __future__ import annotations

import random
import time

from tests.chaos.faults import Fault
from tests.chaos.run import strike
from tests.chaos.system import System
from tests.chaos.verdict import Verdict

_NAME = "cluster-node"


def run(*, mails: int, seed: int, rate: float) -> Verdict:
    """Kill a node in the middle of a load."""
    with System(clustered=True) as system:
        return strike(system, [Fault(name=_NAME, strike=kill_node)], mails=mails, seed=seed, rate=rate, name=_NAME)


def kill_node(system: System, rng: random.Random) -> None:
    """Kill -9 any of the nodes, the one that all are connected to most likely of all, and start it again later."""
    assert system.cluster
    first, *others = system.cluster.nodes
    node = rng.choice([first, first, *others])
    node.kill()
    # Long enough for every worker to find out that it must do without.
    time.sleep(rng.uniform(15, 25))
    node.start()
