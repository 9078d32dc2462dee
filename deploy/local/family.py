"""Everything that descends from this process, also what its own parent has left: nothing of it outlives us.

With Linux's PR_SET_CHILD_SUBREAPER an orphan below us becomes our child instead of init's, so it can be found.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection

from deploy.local import tree
from deploy.local.port import wait_until

PR_SET_CHILD_SUBREAPER = 36

# An orphan may end by itself, as gunicorn's workers do; then it is ended.
GRACE = 2.0


class Family:
    """The processes below this one. Adopts orphans from its making on."""

    def __init__(self) -> None:
        self._orphans: dict[int, float] = {}
        if sys.platform.startswith("linux"):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def tidy(self, own: Collection[int]) -> None:
        """Collects ended orphans, and ends those that have lived longer than GRACE; `own` children are left alone."""
        orphans = {child for child in tree.children() if child not in own}
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):  # somebody's Popen has collected it
                os.waitpid(pid, os.WNOHANG)
        now = time.monotonic()
        self._orphans = {pid: self._orphans.get(pid, now) for pid in tree.alive(orphans)}
        for pid, since in self._orphans.items():
            if now - since > GRACE:
                tree.send(pid, signal.SIGKILL)

    def end(self) -> None:
        """Returns when nothing is below us any more: SIGKILL to all, until no new ones come."""
        wait_until(self._ended, timeout=10)

    def _ended(self) -> bool:
        left = tree.descendants(os.getpid())
        for pid in left:
            tree.send(pid, signal.SIGKILL)
        self.tidy(own=())
        return not left
