"""The web worker with deadlines that a test can wait for: `gunicorn -k tests.integration.quick.QuickWorker`."""

from __future__ import annotations

from deploy import waitress_channel, waitress_worker

waitress_channel.HEADERS, waitress_channel.BODY, waitress_worker.IDLE = 1, 5, 9


class QuickWorker(waitress_worker.WaitressWorker):
    """The same, in a hurry."""
