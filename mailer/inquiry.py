"""Asking a provider what became of a call that it never answered, while `on_unknown=wait` waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mailer import log
from mailer.errors import ProviderError
from mailer.ledger import Attempt, Work
from mailer.outcome import Outcome
from mailer.ports import Envelope, HttpResponse, Provider, Transport

_log = log.get(__name__)

# After a question that was not answered this process asks that provider nothing for so long: it is most likely the very
# outage that the questions are about, and there may be thousands of them.
QUIET = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquirer:
    """Asks providers that can be asked.

    Attributes:
        transport: with little patience: whoever asks keeps a thread from sending.
    """

    providers: Mapping[str, Provider]
    transport: Transport
    clock: Callable[[], datetime]
    _quiet_until: dict[str, datetime] = field(default_factory=dict)

    def ask(self, work: Work, *, closed: Mapping[str, datetime]) -> Attempt | None:
        """Return an *unknown* attempt that turns out to have been accepted, or None: to find nothing proves nothing.

        Args:
            closed: until when providers are to be left alone.
        """
        unknown = [a for a in work.attempts if a.outcome is Outcome.UNKNOWN]
        for name in dict.fromkeys(a.provider for a in unknown):
            provider = self.providers.get(name)
            if provider is None or not self._may_ask(name, closed):
                continue
            answer = self._asked(work, provider)
            for attempt in unknown if answer else ():
                envelope = Envelope.of_work(work, attempt_id=attempt.id)
                if attempt.provider == name and answer and (found := provider.found(answer, envelope)):
                    return replace(attempt, outcome=Outcome.ACCEPTED, provider_message_id=found)
        return None

    def _may_ask(self, name: str, closed: Mapping[str, datetime]) -> bool:
        now = self.clock()
        return all(until.get(name, now) <= now for until in (closed, self._quiet_until))

    def _asked(self, work: Work, provider: Provider) -> HttpResponse | None:
        request = provider.inquiry(Envelope.of_work(work, attempt_id=""))
        if request is None:
            return None  # this one cannot be asked; it tells of its own accord, by an event
        try:
            answer = self.transport.send(request)
        except ProviderError as error:
            _log.warning("inquiry.failed", envelope_id=work.id, provider=provider.name, error=error.code)
            self._quiet_until[provider.name] = self.clock() + QUIET
            return None
        if answer.status != 200:
            _log.warning("inquiry.failed", envelope_id=work.id, provider=provider.name, error=str(answer.status))
            self._quiet_until[provider.name] = self.clock() + QUIET
        return answer
