"""What a worker does beside tasks: it stores what waits in the spool."""

from __future__ import annotations

import threading
from typing import Any

from celery import signals

from mailer import bootstrap, log
from mailer.errors import StoreUnavailable

_log = log.get(__name__)

# Seconds between two looks into the spool; while the database is away.
_LOOK, _AWAY = 1.0, 5.0
_ended = threading.Event()


@signals.worker_ready.connect(weak=False)
def _begin(**_: Any) -> None:
    threading.Thread(target=_keep_storing, name="spool", daemon=True).start()


@signals.worker_shutdown.connect(weak=False)
def _ended_all(**_: Any) -> None:
    _ended.set()


def _keep_storing() -> None:
    """Store what waits in the spool, from the first moment on and whenever something comes."""
    pause = 0.0
    while not _ended.wait(pause):
        pause = _LOOK
        try:
            bootstrap.service().replay_spool()
        except StoreUnavailable:
            pause = _AWAY
        except Exception:  # noqa: BLE001 - this thread must outlive whatever one outcome does to it
            _log.exception("spool.stuck")
            pause = _AWAY
