"""Every setting, frozen, with its default; the only reader of the environment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from mailer.delivery import Lane, OnUnknown
from mailer.errors import ConfigurationError
from mailer.ports import ProviderSetting

# Our queues. A queue's arguments cannot be changed later (RabbitMQ answers PRECONDITION_FAILED).
QUEUES: Mapping[Lane, str] = {Lane.TRANSACTIONAL: "mail.transactional", Lane.BULK: "mail.bulk"}
EVENTS_QUEUE = "mail.events"
CALLBACKS_QUEUE = "mail.callbacks"
SWEEP_QUEUE = "mail.sweep"
DEAD_QUEUE = "mail.dead"
# Those whose depth the sweep looks at before it adds to them.
WATCHED = (*QUEUES.values(), EVENTS_QUEUE, CALLBACKS_QUEUE)
EXCHANGE = "mail"
DEAD_EXCHANGE = "mail.dlx"

SEND_TASK = "tasks.send_email"
SWEEP_TASK = "tasks.sweep"
READ_TASK = "tasks.read_webhook"
TELL_TASK = "tasks.publish_events"
CALL_TASK = "tasks.call_endpoints"
RECONCILE_TASK = "tasks.reconcile"
REMOVE_TASK = "tasks.remove_suppressions"

_ROUTES = {
    SWEEP_TASK: SWEEP_QUEUE,
    READ_TASK: EVENTS_QUEUE,
    TELL_TASK: CALLBACKS_QUEUE,
    CALL_TASK: CALLBACKS_QUEUE,
    RECONCILE_TASK: EVENTS_QUEUE,
    REMOVE_TASK: EVENTS_QUEUE,
}

# Seconds an application waits for the broker before it is told that the broker is not there.
BROKER_TIMEOUT = 2.0


_ON_UNKNOWN = tuple(choice.value for choice in OnUnknown)


def _setting(env: str, default: Any, *, secret: bool = False, least: float = 0, among: tuple[str, ...] = ()) -> Any:
    return field(default=default, repr=not secret, metadata={"env": env, "least": least, "among": among})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. Build with `Settings.load()`; every attribute names its variable.

    Times are seconds.
    """

    var: str = _setting("MAILER_VAR", "var")
    port: int = _setting("PORT", 8000)
    database_url: str = _setting("DATABASE_URL", "", secret=True)
    broker_url: str = _setting("CELERY_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//", secret=True)
    # Only with a filesystem:// broker: the folder that the messages lie in.
    broker_dir: str = _setting("MAILER_BROKER_DIR", "")
    api_key: str = _setting("MAILER_API_KEY", "", secret=True)
    default_from: str = _setting("MAILER_FROM", "")
    sentry_dsn: str = _setting("SENTRY_DSN", "", secret=True)
    log_file: str = _setting("MAILER_LOG_FILE", "")
    log_file_bytes: int = _setting("MAILER_LOG_FILE_BYTES", 50_000_000)
    log_file_backups: int = _setting("MAILER_LOG_FILE_BACKUPS", 10)
    log_level: str = _setting("MAILER_LOG_LEVEL", "INFO", among=("DEBUG", "INFO", "WARNING", "ERROR"))
    # How many proxies stand in front of the API and may be believed about the caller's address.
    trusted_proxies: int = _setting("MAILER_TRUSTED_PROXIES", 0)
    # How often a key without a rate of its own may ask; how often all of them together; empty: no limit.
    rate_key: str = _setting("MAILER_RATE_KEY", "6000/minute")
    rate_global: str = _setting("MAILER_RATE_GLOBAL", "")
    # Where requests are counted: memory:// (each process of the API for itself) or redis://...
    rate_storage: str = _setting("MAILER_RATE_STORAGE", "memory://", secret=True)
    # Beyond that the API refuses more instead of promising what it cannot keep; 0: no limit.
    backlog_seconds_bulk: float = _setting("MAILER_BACKLOG_SECONDS_BULK", 14_400.0)
    backlog_depth_bulk: int = _setting("MAILER_BACKLOG_DEPTH_BULK", 1_000_000)
    backlog_seconds_transactional: float = _setting("MAILER_BACKLOG_SECONDS_TRANSACTIONAL", 43_200.0)
    backlog_depth_transactional: int = _setting("MAILER_BACKLOG_DEPTH_TRANSACTIONAL", 5_000_000)
    # Streams of events that a process of the API keeps open at once, and seconds until each is to come back.
    streams: int = _setting("MAILER_STREAMS", 8)
    stream_seconds: float = _setting("MAILER_STREAM_SECONDS", 900.0)
    max_body_bytes: int = _setting("MAILER_MAX_BODY_BYTES", 36_000_000)
    routing: str = _setting("MAILER_ROUTING", "failover")
    connect_timeout: float = _setting("MAILER_CONNECT_TIMEOUT", 5.0, least=0.1)
    read_timeout: float = _setting("MAILER_READ_TIMEOUT", 30.0, least=0.1)
    # The whole of a call, however its answer trickles; 0: connect timeout plus twice the read timeout.
    call_timeout: float = _setting("MAILER_CALL_TIMEOUT", 0.0)
    retry_base: float = _setting("MAILER_RETRY_BASE", 15.0, least=0.1)
    retry_max: float = _setting("MAILER_RETRY_MAX", 900.0, least=1)
    breaker_seconds: float = _setting("MAILER_BREAKER_SECONDS", 60.0)
    unknown_limit: int = _setting("MAILER_UNKNOWN_LIMIT", 4, least=1)
    # What a message's `on_unknown` is when it does not say.
    on_unknown_transactional: str = _setting("MAILER_ON_UNKNOWN_TRANSACTIONAL", "failover", among=_ON_UNKNOWN)
    on_unknown_bulk: str = _setting("MAILER_ON_UNKNOWN_BULK", "failover", among=_ON_UNKNOWN)
    # `on_unknown=wait`: how long to wait for news before failing over. Mailgun's pages are complete after half an hour.
    wait_seconds: float = _setting("MAILER_WAIT_SECONDS", 2400.0)
    # How long a message without `expires_at` is tried.
    deadline_transactional: float = _setting("MAILER_DEADLINE_TRANSACTIONAL", 86_400.0)
    deadline_bulk: float = _setting("MAILER_DEADLINE_BULK", 259_200.0)
    # After so many mails in a row that bounced temporarily an address counts as bad; 0: never.
    soft_bounces: int = _setting("MAILER_SOFT_BOUNCES", 5)
    sweep_interval: float = _setting("MAILER_SWEEP_INTERVAL", 10.0, least=0.1)
    sweep_batch: int = _setting("MAILER_SWEEP_BATCH", 500, least=1)
    # How long past its time a wake-up counts as lost and the sweep repeats it.
    sweep_grace: float = _setting("MAILER_SWEEP_GRACE", 60.0)
    # The sweep adds nothing to a queue that holds so many.
    sweep_depth: int = _setting("MAILER_SWEEP_DEPTH", 5_000, least=1)
    # How often providers are read back for what webhooks lost; 0: never.
    reconcile_interval: float = _setting("MAILER_RECONCILE_INTERVAL", 300.0)
    # Each reading begins so long before the last one's end: Mailgun's pages are complete after half an hour.
    reconcile_overlap: float = _setting("MAILER_RECONCILE_OVERLAP", 1800.0)
    # Requests a second, for each provider.
    reconcile_rate: float = _setting("MAILER_RECONCILE_RATE", 5.0, least=0.01)
    # 1: a provider that accepts mails and reports nothing of them comes last on new routes.
    avoid_silent: int = _setting("MAILER_AVOID_SILENT", 0)
    # How long a worker that is asked to end lets its calls run; a supervisor should wait 5 more before it kills.
    shutdown_seconds: float = _setting("MAILER_SHUTDOWN_SECONDS", 25.0, least=1)
    # How many calls one endpoint of an application gets at the same time.
    callback_concurrency: int = _setting("MAILER_CALLBACK_CONCURRENCY", 8, least=1)
    concurrency: int = _setting("MAILER_CONCURRENCY", 16, least=1)
    # Ports that an application may have its callbacks sent to, parted by commas.
    callback_ports: str = _setting("MAILER_CALLBACK_PORTS", "443,8443")
    # 1: callbacks may go to this machine itself, also over http. For development only.
    callback_localhost: int = _setting("MAILER_CALLBACK_LOCALHOST", 0)
    # The whole of one callback, from the name's resolution to the end of the answer.
    callback_timeout: float = _setting("MAILER_CALLBACK_TIMEOUT", 15.0, least=0.1)

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this environment.

        Raises:
            ConfigurationError: names the variable that cannot be read.
        """
        given: dict[str, Any] = {f.name: _read(f.metadata, type(f.default), environ) for f in fields(cls)}
        return cls(**{name: value for name, value in given.items() if value is not None})

    @property
    def database(self) -> str:
        """The database's SQLAlchemy URL: DATABASE_URL, else an SQLite file under MAILER_VAR."""
        url = self.database_url or f"sqlite:///{self.var}/mailer.db"
        # Platforms hand out postgres:// and postgresql://; psycopg 3 wants to be named.
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return "postgresql+psycopg://" + url.removeprefix(scheme)
        return url

    @property
    def call_seconds(self) -> float:
        """The longest one provider call takes: it is cut then."""
        return self.call_timeout or self.connect_timeout + 2 * self.read_timeout

    @property
    def lease_seconds(self) -> float:
        """How long a claim is believed: the call, and the time until it begins (a claim may wait for the database)."""
        return self.call_seconds + 15

    @property
    def doubt_seconds(self) -> float:
        """How long, once its lease is over, an attempt is left to a worker that may still hold its answer."""
        return 10.0

    def on_unknown(self, lane: Lane) -> OnUnknown:
        """What happens to a message of this lane that does not say itself when a provider leaves us in the dark."""
        return OnUnknown((self.on_unknown_bulk if lane is Lane.BULK else self.on_unknown_transactional).lower())

    def backlog(self, lane: Lane) -> tuple[float, int]:
        """Seconds that the oldest of a lane may wait, and messages that may, before more are refused; 0: no limit."""
        if lane is Lane.BULK:
            return self.backlog_seconds_bulk, self.backlog_depth_bulk
        return self.backlog_seconds_transactional, self.backlog_depth_transactional

    @property
    def callback_port_numbers(self) -> frozenset[int]:
        """The ports that callbacks may go to.

        Raises:
            ConfigurationError: it is not a list of ports.
        """
        try:
            ports = frozenset(int(port) for port in self.callback_ports.split(","))
        except ValueError:
            ports = frozenset()
        if not ports or not all(0 < port < 65536 for port in ports):
            raise ConfigurationError("MAILER_CALLBACK_PORTS must be port numbers, parted by commas")
        return ports

    @property
    def broker_retries(self) -> int:
        """How often a publisher tries again before it gives up: once, and once for each further address."""
        return max(1, self.broker_url.count(";"))

    def deadline(self, lane: Lane) -> float:
        """Seconds that a message of this lane is tried when it brings no `expires_at`."""
        return self.deadline_bulk if lane is Lane.BULK else self.deadline_transactional

    def celery(self) -> dict[str, Any]:
        """Return what every process that publishes or consumes must agree on, as plain data for Celery."""
        rabbit = self.broker_url.startswith("amqp")
        # Nothing may be dropped from any of these. Declared from the first day on: a queue that is a second old when
        # its node is killed may lose what it confirmed (celery.md, trap 13).
        kept = (*QUEUES.values(), EVENTS_QUEUE, CALLBACKS_QUEUE)
        queues = {name: _queue(name, _mail_arguments() if rabbit else None) for name in kept}
        # One sweep waiting is enough; a second says nothing new.
        sweep = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "drop-head"} if rabbit else None
        queues[SWEEP_QUEUE] = _queue(SWEEP_QUEUE, sweep)
        return {
            "broker_url": self.broker_url,
            "broker_transport_options": self._transport_options(),
            "broker_connection_timeout": BROKER_TIMEOUT,
            "task_publish_retry_policy": {
                "max_retries": self.broker_retries,
                "interval_start": 0,
                "interval_step": 0.2,
            },
            "task_queues": queues,
            "task_routes": {task: {"queue": queue} for task, queue in _ROUTES.items()},
            "task_default_queue": QUEUES[Lane.TRANSACTIONAL],
            "task_create_missing_queues": False,
            "task_ignore_result": True,
            "task_serializer": "json",
            "accept_content": ["json"],
            "control_queue_exclusive": False,
            "control_queue_durable": True,
            "enable_utc": True,
        }

    def _transport_options(self) -> dict[str, Any]:
        if self.broker_url.startswith("filesystem"):
            folder = self.broker_dir or f"{self.var}/broker"
            return {
                "data_folder_in": f"{folder}/messages",
                "data_folder_out": f"{folder}/messages",
                "control_folder": f"{folder}/control",
                "store_processed": False,
            }
        if self.broker_url.startswith("amqp"):
            return {"confirm_publish": True}
        return {}


def load_provider(
    declared: Sequence[ProviderSetting], environ: Mapping[str, str] = os.environ
) -> dict[str, str] | None:
    """Return the values of a provider's own settings by name, or None where one without a default is missing."""
    values = {s.name: environ.get(s.name, "").strip() or s.default for s in declared}
    if broken := [name for name, value in values.items() if value and not value.isprintable()]:
        raise ConfigurationError(f"{broken[0]} may not hold line breaks or control characters")
    return {k: v for k, v in values.items() if v is not None} if None not in values.values() else None


def _mail_arguments() -> dict[str, Any]:
    # No length limit here: a backlog of a million must fit, and what may move belongs in a policy.
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": 5,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": DEAD_QUEUE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _queue(name: str, arguments: dict[str, Any] | None) -> dict[str, Any]:
    # A topic exchange: with a direct one, a delayed task would block its worker (celery.md, trap 7).
    return {"exchange": EXCHANGE, "exchange_type": "topic", "routing_key": name, "queue_arguments": arguments}


def _read(setting: Mapping[str, Any], kind: type, environ: Mapping[str, str]) -> str | int | float | None:
    env, raw = setting["env"], environ.get(setting["env"], "").strip()
    if not raw:
        return None
    if kind is str:
        if setting["among"] and raw.lower() not in (choice.lower() for choice in setting["among"]):
            raise ConfigurationError(f"{env} must be one of {', '.join(setting['among'])}")
        if not raw.isprintable():
            raise ConfigurationError(f"{env} may not hold line breaks or control characters")
        return raw
    try:
        value: float = kind(raw)
    except ValueError:
        raise ConfigurationError(f"{env} must be {'a whole number' if kind is int else 'a number'}") from None
    if not setting["least"] <= value < math.inf:
        raise ConfigurationError(f"{env} must be {setting['least']:g} or more")
    return value
