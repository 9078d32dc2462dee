"""The `make` above us. GNU make passes SIGTERM on to its recipe, but waits quietly for it after SIGINT alone.

A terminal's Ctrl-C reaches the recipe by itself; `kill -INT` to make alone does not. Make's handler resets the signal
before it waits, and the kernel shows that: SIGINT leaves SigCgt in /proc/PID/status.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path


class Make:
    """The make that runs us, if one does."""

    def __init__(self) -> None:
        self._pid = os.getppid()
        self._watched = self._name() in ("make", "gmake") and self._catches_interrupt()

    @property
    def interrupted(self) -> bool:
        """True once make has got SIGINT, or is gone."""
        return self._watched and (os.getppid() != self._pid or not self._catches_interrupt())

    def _name(self) -> str:
        try:
            return Path(f"/proc/{self._pid}/comm").read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def _catches_interrupt(self) -> bool:
        try:
            status = Path(f"/proc/{self._pid}/status").read_text(encoding="utf-8")
        except OSError:
            return False
        caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
        return bool(int(caught, 16) & 1 << (signal.SIGINT - 1))
