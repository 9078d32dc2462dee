"""The composition root: settings to store, providers, transport and service."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path

from mailer import alarm, clock
from mailer.believed import Believed
from mailer.blocklist import Blocklist
from mailer.callback_http import CallbackTransport
from mailer.caller import Caller, Pace
from mailer.client.task import publisher
from mailer.courier import Courier, Terms
from mailer.desk import Desk
from mailer.endpoints import Endpoints
from mailer.errors import ConfigurationError, StoreUnavailable
from mailer.hearing import Hearing
from mailer.http import HttpTransport
from mailer.inquiry import Inquirer
from mailer.intake import Intake
from mailer.keyring import Keyring
from mailer.listener import Listener
from mailer.pace import Pace as Evenly
from mailer.policy import Policy
from mailer.ports import Provider
from mailer.providers import registry
from mailer.reader import Reader
from mailer.reconciler import Reconciler
from mailer.recorder import Recorder
from mailer.remover import Remover
from mailer.retry import Backoff
from mailer.routing import Routing
from mailer.service import Defaults, Service
from mailer.settings import Settings
from mailer.spool import Spool
from mailer.store import Database, Store
from mailer.store.blocklist import BlocklistStore
from mailer.store.caller import CallerStore
from mailer.store.desk import Records
from mailer.store.hearing import HearingStore
from mailer.store.intake import IntakeStore
from mailer.store.reconciler import ReconcilerStore

# Callbacks of which the outcome is stored together, and seconds that an endpoint is called before others are.
_CALLBACK_BATCH = 40
_CALLBACK_TURN = 10.0
# Calls that one turn makes at the same time, to however many endpoints.
_CALLBACK_THREADS = 40
# The whole of a question to a provider what became of a mail.
INQUIRY_SECONDS = 5.0
# A page of what is read back: hundreds of events, each with what it knows of its mail.
_PAGE_BYTES = 16 * 1024 * 1024
# Seconds for which it is believed who is silent.
_SILENT_SECONDS = 30.0
# Seconds until a removal that failed is tried again: the ceiling of the first pause, and of every one.
_REMOVAL_PAUSES = Backoff(30, 3_600)


@cache
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings.load()


@cache
def store() -> Store:
    """Return the store of this process; connections are opened when they are needed."""
    return Store(Database(settings().database, pool_size=settings().concurrency + 2))


@cache
def service() -> Service:
    """Return the service of this process.

    Raises:
        ConfigurationError: no provider has its settings, or one is wrong.
    """
    return build(settings(), store())


@cache
def desk() -> Desk:
    """Return the operator's use cases of this process; they need no provider."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    return Desk(records=Records(store().database), task=publisher(settings()), clock=now)


@cache
def intake() -> Intake:
    """Return the use cases of the HTTP API of this process."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    return Intake(store=IntakeStore(store().database), service=service(), clock=now)


@cache
def hearing() -> Hearing:
    """Return what listens to the providers in this process."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    stored = HearingStore(store().database, soft_bounces=settings().soft_bounces)
    return Hearing(store=stored, providers=registry.load(), alarm=alarm.raise_alarm, clock=now)


@cache
def caller() -> Caller:
    """Return what tells applications in this process."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    mine, seconds = settings(), settings().callback_timeout
    return Caller(
        store=CallerStore(store().database),
        transport=_callback_transport(mine),
        pace=Pace(
            calls=mine.callback_concurrency,
            threads=_CALLBACK_THREADS,
            batch=_CALLBACK_BATCH,
            turn_seconds=_CALLBACK_TURN,
            # The last call of a turn begins within it, and its outcome is to be stored.
            lease_seconds=_CALLBACK_TURN + seconds + 15,
            troubled=max(1, mine.concurrency // 4),
        ),
        alarm=alarm.raise_alarm,
        clock=now,
        uniform=random.uniform,
    )


@cache
def reconciler() -> Reconciler:
    """Return what reads providers back in this process."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    stored = ReconcilerStore(store().database, soft_bounces=settings().soft_bounces)
    reader = Reader(
        store=stored, transport=_reading_transport(), pace=_reading_pace(), alarm=alarm.raise_alarm, clock=now
    )
    overlap = settings().reconcile_overlap
    return Reconciler(store=stored, reader=reader, providers=registry.load(), overlap=overlap, clock=now)


@cache
def remover() -> Remover:
    """Return what has providers forget suppressions in this process."""
    return Remover(
        store=ReconcilerStore(store().database),
        providers=registry.load(),
        transport=_reading_transport(),
        pace=_reading_pace(),
        backoff=_REMOVAL_PAUSES,
        alarm=alarm.raise_alarm,
        clock=clock.SharedClock(store().now, failed=(StoreUnavailable,)),
        uniform=random.uniform,
    )


@cache
def listener() -> Listener:
    """Return what measures in this process how providers are heard."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    stored = ReconcilerStore(store().database)
    return Listener(store=stored, providers=[*registry.load()], alarm=alarm.raise_alarm, clock=now)


@cache
def _reading_transport() -> HttpTransport:
    return HttpTransport(connect_timeout=5, read_timeout=20, total_timeout=60, max_answer=_PAGE_BYTES)


@cache
def _reading_pace() -> Evenly:
    return Evenly(settings().reconcile_rate)


@cache
def endpoints() -> Endpoints:
    """Return the use cases of endpoints and of the feed of this process."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    check = _callback_transport(settings()).check
    return Endpoints(store=CallerStore(store().database), check=check, clock=now)


def _callback_transport(settings: Settings) -> CallbackTransport:
    return CallbackTransport(
        ports=settings.callback_port_numbers,
        localhost=bool(settings.callback_localhost),
        timeout=settings.callback_timeout,
    )


@cache
def keyring() -> Keyring:
    """Return the API keys; they need no provider."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    return Keyring(store=IntakeStore(store().database), clock=now)


@cache
def blocklist() -> Blocklist:
    """Return whom nobody mails; it needs no provider."""
    now = clock.SharedClock(store().now, failed=(StoreUnavailable,))
    return Blocklist(store=BlocklistStore(store().database), clock=now)


def build(settings: Settings, store: Store) -> Service:
    """Return a service with these settings over this store."""
    providers = registry.load()
    if not providers:
        raise ConfigurationError(
            "no provider is configured: set SENDGRID_API_KEY, or MAILGUN_API_KEY and MAILGUN_DOMAIN"
        )
    now = clock.SharedClock(store.now, failed=(StoreUnavailable,))
    policy = _policy(settings)
    courier = _courier(settings, store, providers, policy, now)
    return Service(
        store=store,
        courier=courier,
        policy=policy,
        defaults=Defaults(deadline=settings.deadline, on_unknown=settings.on_unknown),
        alarm=alarm.raise_alarm,
        clock=now,
    )


def _policy(settings: Settings) -> Policy:
    return Policy(
        backoff=Backoff(settings.retry_base, settings.retry_max),
        unknown_limit=settings.unknown_limit,
        wait_seconds=settings.wait_seconds,
        grace=settings.sweep_grace,
        uniform=random.uniform,
    )


def _courier(
    settings: Settings, store: Store, providers: dict[str, Provider], policy: Policy, now: clock.SharedClock
) -> Courier:
    return Courier(
        store=store,
        providers=providers,
        transport=HttpTransport(
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            total_timeout=settings.call_seconds,
        ),
        routing=Routing.parse(settings.routing, providers=registry.NAMES),
        policy=policy,
        terms=Terms(
            call_seconds=settings.call_seconds,
            lease_seconds=settings.lease_seconds,
            doubt_seconds=settings.doubt_seconds,
            breaker_seconds=settings.breaker_seconds,
        ),
        recorder=Recorder(
            store=store,
            spool=Spool(Path(settings.var) / "spool", alarm=alarm.raise_alarm),
            alarm=alarm.raise_alarm,
            clock=now,
        ),
        inquirer=Inquirer(
            providers=providers,
            transport=HttpTransport(connect_timeout=2, read_timeout=3, total_timeout=INQUIRY_SECONDS),
            clock=now,
        ),
        alarm=alarm.raise_alarm,
        clock=now,
        silent=_silent(settings, store),
    )


def _silent(settings: Settings, store: Store) -> Callable[[], Collection[str]]:
    """Return how to ask who is silent, as it was a moment ago; nobody is where that is of no concern."""
    if not settings.avoid_silent:
        return frozenset
    stored = ReconcilerStore(store.database)
    believed = Believed(
        lambda _: frozenset(name for name, s in stored.silences().items() if s.silent_since), seconds=_SILENT_SECONDS
    )
    return lambda: believed.get("") or frozenset()
