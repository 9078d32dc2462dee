"""A gunicorn worker whose connections cost no thread: waitress reads a whole request before a thread gets it.

gunicorn stays what it is, the arbiter: it forks, watches heartbeats, and starts new processes before it stops old ones.
"""

from __future__ import annotations

import itertools
import logging
import os
import resource
import time
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from deploy.waitress_channel import DRAIN, Channel
from mailer.settings import Settings

CONNECTIONS = 1000
# Files that are no connections: database, broker, logs; and each connection may have a temporary file for its body.
FILES, FILES_EACH = 200, 2

# Seconds. A connection that says nothing is kept a little longer than the 60 s for which load balancers keep theirs
# (AWS ALB, nginx): the side that sends the next request should be the one that closes, or it meets a closed door.
IDLE = 65
# A stopping process still answers, this long, what a client was already sending on a connection that was idle.
LINGER = 2.0

HEADER_BYTES = 32_768
# A body larger than that goes to a temporary file while it comes in.
BODY_IN_MEMORY = 131_072


class Server(TcpWSGIServer):  # type: ignore[misc] # waitress ships no types
    """waitress's server with our connections, which have deadlines."""

    channel_class = Channel

    def maintenance(self, now: float) -> None:
        """Close, each second, the idle connections and the requests that take too long to come in."""
        super().maintenance(now)
        for channel in self.active_channels.values():
            channel.will_close = channel.will_close or channel.overdue(now)


class WaitressWorker(Worker):  # type: ignore[misc] # gunicorn ships no types
    """Runs waitress on gunicorn's listening sockets."""

    alive: bool

    def run(self) -> None:
        """Serve until told to stop, let what is under way end, return."""
        # It warns whenever a request waits for a thread, which is what the queue is for.
        logging.getLogger("waitress").setLevel(logging.WARNING)
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._served = itertools.count(1)
        self._map: dict[int, Any] = {}
        dispatcher, adjustments = ThreadedTaskDispatcher(), self._adjustments()
        dispatcher.set_thread_count(self.cfg.threads)
        self._servers = [
            Server(
                self._application, map=self._map, _sock=listener.sock, dispatcher=dispatcher, adj=adjustments,
                bind_socket=False, sockinfo=(listener.sock.family, None, None, None),
            )
            for listener in self.sockets
        ]  # fmt: skip
        while self.alive and self.ppid == os.getppid():
            self._turn(1.0)
        self.alive = False
        self._finish()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: stop soon, not at the end of a second of waiting."""
        super().handle_exit(sig, frame)
        if servers := getattr(self, "_servers", ()):
            servers[0].pull_trigger()

    def _adjustments(self) -> Any:
        max_body = Settings.load().max_body_bytes
        adjustments = Adjustments(
            threads=self.cfg.threads, backlog=self.cfg.backlog, connection_limit=_connections(),
            max_request_header_size=HEADER_BYTES, inbuf_overflow=BODY_IN_MEMORY,
            # The API itself answers a body beyond its limit; this is where nobody listens any more.
            max_request_body_size=max(DRAIN, max_body + 1),
            channel_timeout=IDLE, cleanup_interval=1,
            # select() knows no file beyond 1024; a caller who goes away is no error of ours.
            asyncore_use_poll=True, log_socket_errors=False,
            # Whom to believe about the caller's address is MAILER_TRUSTED_PROXIES's matter (api/app.py).
            clear_untrusted_proxy_headers=False, ident="mailer",
        )  # fmt: skip
        adjustments.max_body, adjustments.stopping = max_body, lambda: not self.alive
        return adjustments

    def _application(self, environ: Any, start_response: Any) -> Any:
        self.nr = next(self._served)
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        # Whoever answers without end looks at it now and then.
        environ["mailer.stopping"] = lambda: not self.alive
        return self.wsgi(environ, start_response)

    def _turn(self, seconds: float) -> None:
        self.notify()
        wasyncore.loop(timeout=seconds, map=self._map, use_poll=True, count=1)

    def _finish(self) -> None:
        """Accept nobody any more, and end with the last request, or when `graceful_timeout` is over."""
        for server in self._servers:
            wasyncore.dispatcher.close(server)  # its listening socket only: threads still pull its trigger
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < self.cfg.graceful_timeout:
            channels = [channel for channel in self._map.values() if isinstance(channel, Channel)]
            if not channels or (passed > LINGER and not any(channel.busy for channel in channels)):
                return
            self._turn(0.1)


def _connections() -> int:
    """Return how many connections a process takes; it takes none it has no file for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES + FILES_EACH * CONNECTIONS
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(CONNECTIONS, (soft - FILES) // FILES_EACH))
