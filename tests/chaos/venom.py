"""Included by the workers of one fault: a mail that kills whoever takes it, as a bug in a C extension would."""

from __future__ import annotations

import os
import signal
from typing import Any

from celery import signals

VARIABLE = "CHAOS_VENOM"
MODULE = "tests.chaos.venom"


@signals.task_prerun.connect(weak=False)
def _die(task_id: str, **_: Any) -> None:
    if task_id == os.environ.get(VARIABLE):
        os.kill(os.getpid(), signal.SIGKILL)
