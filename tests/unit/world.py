"""A service on a real store with real providers, a clock that tests move, and a transport that answers as they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mailer.courier import Courier, Terms
from mailer.delivery import Lane, OnUnknown
from mailer.errors import ProviderError, TemporarilyRefused, Unanswered
from mailer.inquiry import Inquirer
from mailer.ledger import Due
from mailer.policy import Policy
from mailer.ports import HttpRequest, HttpResponse
from mailer.providers import registry
from mailer.recorder import Recorder
from mailer.retry import Backoff
from mailer.routing import Routing
from mailer.service import Defaults, Service
from mailer.spool import Spool
from mailer.step import Finished, Later, Step
from mailer.store import Store
from mailer.view import MessageView
from tests.factories import NOW, message

ENVIRONMENT = {"SENDGRID_API_KEY": "SG.k", "MAILGUN_API_KEY": "k", "MAILGUN_DOMAIN": "mg.example.com"}
YES = {
    "sendgrid": HttpResponse(202, {"x-message-id": "sg-1"}),
    "mailgun": HttpResponse(200, {}, b'{"id":"<mg-1@x>","message":"Queued. Thank you."}'),
}
READ_TIMEOUT = Unanswered("read_timeout")
NO_CONNECTION = TemporarilyRefused("no_connection")

Answer = int | HttpResponse | ProviderError | Callable[[], HttpResponse]


@dataclass
class Providers:
    """The transport: per provider what to answer next; yes where nothing is said."""

    script: dict[str, list[Answer]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)
    # What Mailgun's Events API knows.
    events: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    refuses_questions: HttpResponse | None = None
    asking_takes: float = 0
    pass_: Callable[[float], None] = lambda _: None

    def send(self, request: HttpRequest) -> HttpResponse:
        """Answer as scripted."""
        if request.method == "GET":
            self.asked += 1
            self.pass_(self.asking_takes)
            return self.refuses_questions or HttpResponse(200, {}, json.dumps({"items": self.events}).encode())
        name = "sendgrid" if "sendgrid" in request.url else "mailgun"
        self.calls.append(name)
        self.requests.append(request)
        answers = self.script.get(name, [])
        answer = answers.pop(0) if answers else YES[name]
        if isinstance(answer, ProviderError):
            raise answer
        if isinstance(answer, int):
            return HttpResponse(answer, {}, b"{}")
        return answer if isinstance(answer, HttpResponse) else answer()


@dataclass
class World:
    """A service, the clock it lives by, the providers it calls and the alarms it raised."""

    store: Store
    spool: Path
    providers: Providers = field(default_factory=Providers)
    now: datetime = NOW
    alarms: list[str] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)
    routing: str = "failover"
    on_unknown: OnUnknown = OnUnknown.FAILOVER

    def __post_init__(self) -> None:
        self.providers.pass_ = self.sleep
        policy = Policy(
            backoff=Backoff(15, 900), unknown_limit=4, wait_seconds=2400, grace=60, uniform=lambda _, high: high
        )
        self.recorder = Recorder(
            store=self.store,
            spool=Spool(self.spool, alarm=self.alarm),
            alarm=self.alarm,
            clock=lambda: self.now,
            sleep=self.sleep,
        )
        providers = registry.load(ENVIRONMENT)
        courier = Courier(
            store=self.store,
            providers=providers,
            transport=self.providers,
            routing=Routing.parse(self.routing, providers=registry.NAMES),
            policy=policy,
            terms=Terms(call_seconds=35, lease_seconds=45, doubt_seconds=10, breaker_seconds=60),
            recorder=self.recorder,
            inquirer=Inquirer(providers=providers, transport=self.providers, clock=lambda: self.now),
            alarm=self.alarm,
            clock=lambda: self.now,
        )
        self.service = Service(
            store=self.store,
            courier=courier,
            policy=policy,
            defaults=Defaults(deadline=lambda _: 86_400, on_unknown=lambda _: self.on_unknown),
            alarm=self.alarm,
            clock=lambda: self.now,
        )

    def alarm(self, name: str, **_: Any) -> None:
        """Take an alarm."""
        self.alarms.append(name)

    def sleep(self, seconds: float) -> None:
        """Let time pass while somebody waits."""
        self.naps.append(seconds)
        self.now += timedelta(seconds=seconds)

    def submit(self, **fields: Any) -> str:
        """Hand a message over."""
        return self.service.submit(message(**fields), project_id="default", request_id="req-1")

    def run(self, id: str) -> list[Step]:
        """Do what the workers and the clock would do until the envelope is at rest."""
        steps: list[Step] = []
        while not steps or not isinstance(steps[-1], Finished):
            steps.append(self.service.deliver(id))
            if isinstance(steps[-1], Later):
                self.now += timedelta(seconds=steps[-1].seconds)
            assert len(steps) < 50
        return steps

    def view(self, id: str) -> MessageView:
        """Return what is known about a message."""
        found = self.service.view(id, project_id="default")
        assert found is not None
        return found

    def outcomes(self, id: str) -> list[tuple[str, str]]:
        """Return the attempts as (provider, outcome)."""
        return [(a.provider, a.outcome) for a in self.view(id).attempts]

    def due(self) -> list[Due]:
        """Return what the sweep finds now."""
        return [due for lane in Lane for due in self.service.sweep(lane=lane, limit=100, again_in=600)]

    def give_up(self, id: str) -> Step:
        """Let whatever was found out about a lease that is over be found out again, after the doubt."""
        assert self.service.deliver(id) == Finished("sending"), "at the first look it is doubted"
        self.now += timedelta(seconds=10)
        return self.service.deliver(id)
