"""A service whose mails go to a real sandbox over HTTP, and what reads the providers back from there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import requests

from deploy.local.port import wait_until
from mailer import bootstrap, clock, ids
from mailer.event import Event
from mailer.http import HttpTransport
from mailer.pace import Pace
from mailer.providers import registry
from mailer.reader import Reader, Reading
from mailer.reconciler import Reconciler
from mailer.remover import Remover
from mailer.retry import Backoff
from mailer.service import Service
from mailer.settings import Settings
from mailer.source import Cursor, Span
from mailer.step import Finished
from mailer.store import Store
from mailer.store.reconciler import ReconcilerStore
from sandbox.process import Process
from tests.factories import message

KEYS = {"SENDGRID_API_KEY": "SG.sandbox", "MAILGUN_API_KEY": "key-sandbox", "MAILGUN_DOMAIN": "sandbox.example"}


def environment(box: Process) -> dict[str, str]:
    """Return the settings that point both providers at a sandbox."""
    return {**KEYS, "MAILER_SENDGRID_URL": box.sendgrid, "MAILER_MAILGUN_URL": box.mailgun}


@dataclass
class Place:
    """A store, a sandbox, and a clock that is ahead of the real one by as much as a test says.

    The environment must be that of the sandbox already.
    """

    store: Store
    box: Process
    ahead: timedelta = timedelta()
    alarms: list[str] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reading = ReconcilerStore(self.store.database)
        self._providers = registry.load({**environment(self.box)})
        self._transport = HttpTransport(connect_timeout=1, read_timeout=3, max_answer=16 * 1024 * 1024)

    def now(self) -> datetime:
        """Return the time here."""
        return clock.now() + self.ahead

    def alarm(self, name: str, **_: Any) -> None:
        """Take an alarm."""
        self.alarms.append(name)

    def reconciler(self, *, pages: int = 200, overlap: float = 1800) -> Reconciler:
        """Return what reads back."""
        reader = Reader(
            store=self.reading, transport=self._transport, pace=Pace(1000), alarm=self.alarm, clock=self.now
        )
        return Reconciler(
            store=self.reading, reader=reader, providers=self._providers, overlap=overlap, clock=self.now,
            sleep=self.naps.append, pages=pages,
        )  # fmt: skip

    def poll(self, **options: Any) -> dict[tuple[str, str], Reading]:
        """Read on; return what was read by provider and source."""
        return {(r.provider, r.source): r for r in self.reconciler(**options).poll()}

    def poll_only_looking(self) -> list[Event]:
        """Return what Mailgun's Events API tells, as events of ours."""
        provider, span = self._providers["mailgun"], Span(self.now() - timedelta(hours=1), self.now())
        answer = self._transport.send(provider.ask("events", span, page=None))
        return [*provider.page("events", span, answer, page=None, now=self.now()).events]

    def forget_events(self) -> None:
        """Let Mailgun's events be read already, though they were not: then its lists alone know."""
        turn = ids.new()
        self.reading.begin("mailgun", turn_id=turn, until=self.now(), now=self.now())
        cursor = Cursor(read_until=self.now() + timedelta(days=1))
        self.reading.hold("mailgun", turn_id=turn, until=self.now(), source="events", cursor=cursor)

    def remover(self) -> Remover:
        """Return what has providers forget."""
        return Remover(
            store=self.reading, providers=self._providers, transport=self._transport, pace=Pace(1000),
            backoff=Backoff(30, 3600), alarm=self.alarm, clock=self.now, uniform=lambda _, high: high,
        )  # fmt: skip

    def service(self, provider: str) -> Service:
        """Return a service that sends through this provider first."""
        return bootstrap.build(Settings.load({"MAILER_ROUTING": f"failover:{provider}"}), self.store)

    def send(self, provider: str, *to: str, project: str = "default", test: bool = False) -> list[str]:
        """Send one mail to each through a provider, which takes it; return the ids."""
        service, sent = self.service(provider), []
        for address in to:
            drafted = service.draft(message(to=address), project_id=project, request_id="r")
            self.store.submit([replace(drafted, test=test)])
            assert service.deliver(drafted.id) == Finished("accepted")
            sent.append(drafted.id)
        return sent

    def states(self, ids: list[str], *, project: str = "default") -> list[str]:
        """Return what is known of the first recipient of each."""
        views = [self.store.view(id, project_id=project) for id in ids]
        return [str(view.recipients[0].status) for view in views if view]

    def listed(self, provider: str, path: str) -> list[str]:
        """Return whom a provider lists."""
        if provider == "mailgun":
            url, auth = f"{self.box.mailgun}/v3/sandbox.example/{path}", ("api", "key-sandbox")
            return [i["address"] for i in requests.get(url, auth=auth, timeout=5).json()["items"]]
        url, headers = f"{self.box.sendgrid}/v3/suppression/{path}", {"Authorization": "Bearer SG.sandbox"}
        return [i["email"] for i in requests.get(url, headers=headers, timeout=5).json()]

    def until_listed(self, provider: str, path: str, *addresses: str) -> None:
        """Wait until a provider lists these."""
        assert wait_until(lambda: set(addresses) <= set(self.listed(provider, path)), timeout=5)

    def until_happened(self, count: int) -> None:
        """Wait until Mailgun tells of so many events."""

        def told() -> int:
            url, auth, found = f"{self.box.mailgun}/v3/sandbox.example/events?limit=300", ("api", "key-sandbox"), 0
            while items := (page := requests.get(url, auth=auth, timeout=5).json())["items"]:
                found, url = found + len(items), page["paging"]["next"]
            return found

        assert wait_until(lambda: told() >= count, timeout=10)
