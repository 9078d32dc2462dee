"""`EmailHandler`: log records by email, as logging.handlers.SMTPHandler, through the service.

    handler = EmailHandler(url="http://127.0.0.1:8000", api_key=KEY, from_="app@example.com", to="ops@example.com")
    handler.setLevel(logging.ERROR)
    logging.getLogger().addHandler(handler)

It never raises into the application and never floods: at most `most` mails in `period` seconds, and the next mail says
how many records were left out. While the service is away it is asked once in `pause` seconds and holds its thread for
`timeout` seconds at the most; an application that cannot wait even that puts a QueueHandler before it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from mailer.client.blocking import Mailer
from mailer.client.fields import Addresses, AddressField
from mailer.limits import SUBJECT
from mailer.ports import Transport

# Whatever these log while a record is being sent would be a record to send.
_OURS = ("mailer", "urllib3", "requests", "httpx", "httpcore")

# Characters of a record's text; the rest is in the log.
MOST_TEXT = 100_000


class EmailHandler(logging.Handler):
    """Sends log records by email.

    Args:
        url, api_key: of the service.
        to, from_: addresses, as in `Mailer.send`; without `from_` the service's own.
        subject: a %-template of the record, as a Formatter takes it; one line of it is used.
        most: mails in one period.
        period: seconds.
        pause: seconds that the service is left alone after it could not be reached, or refused a mail.
        timeout: seconds for one mail.
        level: of the records that are sent.
        transport, clock: for tests.

    Raises:
        ConfigurationError: the address or the key cannot be one.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        to: Addresses,
        from_: AddressField | None = None,
        subject: str = "%(levelname)s in %(name)s: %(message)s",
        most: int = 10,
        period: float = 3600.0,
        pause: float = 60.0,
        timeout: float = 3.0,
        level: int | str = logging.ERROR,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(level)
        self._mailer = Mailer(url, api_key, timeout=timeout, deadline=timeout, retries=0, transport=transport)
        self._to, self._from, self._subject = to, from_, logging.Formatter(subject, validate=False)
        self._gate = _Gate(most=most, period=period, pause=pause, clock=clock)
        self._sending = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what the sending of a record logs itself."""
        own = record.name.partition(".")[0] in _OURS or getattr(self._sending, "now", False)
        return not own and super().filter(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, unless there were too many."""
        if (left_out := self._gate.enter()) is None:
            return
        self._sending.now = True
        try:
            self._mailer.send(
                from_=self._from, to=self._to, subject=self._line(record), text=self._text(record, left_out),
                request_id=None,
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - whatever it is, the application must go on
            self._gate.failed(left_out)
            self.handleError(record)
        finally:
            self._sending.now = False

    def close(self) -> None:
        """Close the connections."""
        self._mailer.close()
        super().close()

    def _line(self, record: logging.LogRecord) -> str:
        # The parts of Formatter.format that make one line: no exception, no stack.
        record.message = record.getMessage()
        lines = _sendable(self._subject.formatMessage(record)).strip().splitlines()
        return "".join(c if c.isprintable() else " " for c in lines[0])[: SUBJECT - 1] if lines else record.levelname

    def _text(self, record: logging.LogRecord, left_out: int) -> str:
        text = _sendable(self.format(record))
        shown = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\n[{len(text) - MOST_TEXT} characters more]"
        more = f"\n\n{left_out} more records were left out since the last mail." if left_out else ""
        return (shown or record.levelname) + more


class _Gate:
    """How many mails may go out, and how many records did not."""

    def __init__(self, *, most: int, period: float, pause: float, clock: Callable[[], float]) -> None:
        self._most, self._period, self._pause, self._clock = most, period, pause, clock
        self._sent: deque[float] = deque()
        self._shut_until = float("-inf")
        self._left_out = 0

    def enter(self) -> int | None:
        """Return how many records were left out before this one, None if this one is too."""
        now = self._clock()
        while self._sent and self._sent[0] <= now - self._period:
            self._sent.popleft()
        if now < self._shut_until or len(self._sent) >= self._most:
            self._left_out += 1
            return None
        self._sent.append(now)
        left_out, self._left_out = self._left_out, 0
        return left_out

    def failed(self, left_out: int) -> None:
        """Take back what `enter` gave: nothing was sent, and for a while nothing will be."""
        self._sent.pop()
        self._left_out += left_out + 1
        self._shut_until = self._clock() + self._pause


def _sendable(text: str) -> str:
    # A message takes neither NUL nor half a surrogate pair, and a log line may hold both.
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
