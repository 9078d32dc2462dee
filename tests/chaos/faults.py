"""Everything that is done to a running system. Each strikes, lasts a while, and undoes itself as a supervisor would."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import kombu

from deploy.local.port import wait_until
from deploy.local.process import Process
from deploy.local.proxy import Proxy
from mailer import ids
from mailer.client.task import publisher
from tests.chaos import venom
from tests.chaos.system import System
from tests.chaos.verdict import accounted_for

Strike = Callable[[System, random.Random], None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that happens to a system.

    Attributes:
        strike: does it; returns when it is over.
        databases: on which it says something.
        on_unknown: what the messages of its run ask for.
        environment: settings of its run.
        small_disk: MAILER_VAR is on a disk of so many MiB.
        lost_with_queue: it takes away what only the broker has.
        waits: its messages wait for news longer than it lasts; they rest for it while they do.
        twice: whether a flagged second mail is a choice that somebody made; without, none may be.
    """

    name: str
    strike: Strike
    databases: tuple[str, ...] = ("postgresql", "sqlite")
    on_unknown: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    small_disk: int | None = None
    lost_with_queue: bool = False
    waits: bool = False
    twice: bool = True


def kill(process: Callable[[System, random.Random], Process], *, times: int = 1) -> Strike:
    """Return the strike that kills -9 a process and starts it again."""

    def strike(system: System, rng: random.Random) -> None:
        for _ in range(times):
            victim = process(system, rng)
            time.sleep(rng.uniform(0, 1.5))
            victim.kill()
            time.sleep(rng.uniform(0.5, 1.5))
            system.start(victim)

    return strike


def stop(process: Callable[[System, random.Random], Process], seconds: float) -> Strike:
    """Return the strike that stops a process in its tracks (SIGSTOP) for a while."""

    def strike(system: System, rng: random.Random) -> None:
        victim = process(system, rng)
        victim.pause()
        time.sleep(seconds)
        victim.resume()

    return strike


def line(which: Callable[[System], list[Proxy | None]], seconds: float, *, cut: bool) -> Strike:
    """Return the strike that cuts the workers' line to something, or lets it swallow what is sent."""

    def strike(system: System, _: random.Random) -> None:
        proxies = [proxy for proxy in which(system) if proxy]
        for proxy in proxies:
            proxy.cut() if cut else proxy.hang()
        time.sleep(seconds)
        for proxy in proxies:
            proxy.mend()

    return strike


def one_worker(system: System, rng: random.Random) -> Process:
    """Choose a worker."""
    return rng.choice(system.workers)


def web(system: System, _: random.Random) -> Process:
    """Return the API."""
    return system.web


def beat(system: System, _: random.Random) -> Process:
    """Return beat."""
    return system.beat


def kill_all_workers(system: System, rng: random.Random) -> None:
    """Kill both at once."""
    for worker in system.workers:
        worker.kill()
    time.sleep(rng.uniform(1, 3))
    for worker in system.workers:
        system.start(worker)


def kill_workers_with_calls_unstored(system: System, rng: random.Random) -> None:
    """Kill both while the database does not answer: the `.delay()` calls in their hands are stored nowhere yet."""
    assert system.to_database
    system.to_database.hang()
    time.sleep(rng.uniform(1.5, 2.5))
    for worker in system.workers:
        worker.kill()
    system.to_database.mend()
    for worker in system.workers:
        system.start(worker)


def kill_api_before_its_publish(system: System, rng: random.Random) -> None:
    """Kill the API while its requests are committed and hang in the publish: the broker does not answer.

    Some have given up on the broker by then, and were answered.
    """
    system.rabbit.pause()
    time.sleep(rng.uniform(1, 5))
    system.web.kill()
    system.rabbit.resume()
    system.start(system.web)


def kill_database(seconds: float) -> Strike:
    """Return the strike that kills -9 the server and starts it again later."""

    def strike(system: System, _: random.Random) -> None:
        assert system.postgres
        system.postgres.kill()
        time.sleep(seconds)
        system.postgres.start()

    return strike


def stop_database(system: System, rng: random.Random) -> None:
    """Stop the server in its tracks for longer than anybody waits for a statement."""
    assert system.postgres
    system.postgres.pause()
    time.sleep(rng.uniform(18, 22))
    system.postgres.resume()


def kill_rabbit(system: System, rng: random.Random) -> None:
    """Kill -9 the broker's node and start it again."""
    system.rabbit.kill()
    time.sleep(rng.uniform(1, 4))
    system.rabbit.start()


def stop_rabbit(system: System, rng: random.Random) -> None:
    """Stop the broker in its tracks, longer than heartbeats last."""
    system.rabbit.pause()
    time.sleep(rng.uniform(20, 30))
    system.rabbit.resume()


def memory_alarm(system: System, rng: random.Random) -> None:
    """Let the broker take nothing: its memory alarm is on."""
    system.rabbit.ctl("set_vm_memory_high_watermark", "0.00001")
    time.sleep(rng.uniform(8, 12))
    system.rabbit.ctl("set_vm_memory_high_watermark", "0.4")


def delete_all_queues(system: System, rng: random.Random) -> None:
    """Delete every queue with all that is in it. Nobody declares anything by hand afterwards.

    A worker whose queues are gone ends; a supervisor starts it again, and it declares them.
    """
    for worker in system.workers:
        worker.pause()
    time.sleep(rng.uniform(1, 2))  # so that something waits in them
    system.rabbit.ctl(
        "eval", '[rabbit_amqqueue:delete(Q, false, false, <<"chaos">>) || Q <- rabbit_amqqueue:list()], ok.'
    )
    for worker in system.workers:
        worker.resume()
    for worker in system.workers:
        wait_until(lambda worker=worker: not worker.running, timeout=10)  # type: ignore[misc]
        time.sleep(rng.uniform(0.5, 1.5))
        system.start(worker)


def poison(system: System, _: random.Random) -> None:
    """Publish what is no task, what is no message, and what no worker can read."""
    with kombu.Connection(system.settings.broker_url) as connection:
        producer = connection.Producer()
        for body, options in (
            (b"\xff\xfe garbage", {"content_type": "application/octet-stream"}),
            (b"{", {"content_type": "application/json"}),
            (b'[[], {"to": "nobody"}, {}]', {"content_type": "application/json", "headers": {
                "task": "tasks.send_email", "id": "01a20e1f-05b6-706b-97b6-58e32bd0bc9a", "lang": "py"}}),
            (b"gASV", {"content_type": "application/x-python-serialize", "headers": {"task": "x", "id": "y"}}),
        ):  # fmt: skip
            producer.publish(body, exchange="mail", routing_key="mail.transactional", **options)


def poison_that_kills(system: System, _: random.Random) -> None:
    """Let a mail kill every worker that takes it, until it rests where an operator sees it.

    Workers are started again as a supervisor would; nobody else's mail may suffer.
    """
    mail = ids.new()
    sick = [system.worker(f"sick{n}", "-I", venom.MODULE, **{venom.VARIABLE: mail}) for n in range(2)]
    for healthy, worker in zip(system.workers, sick, strict=True):
        healthy.stop(timeout=20)
        system.start(worker)
    call = {"from": "shop@sender.example.com", "to": "poison@example.com", "subject": "x", "text": "x"}
    publisher(system.settings).apply_async(kwargs=call, task_id=mail)
    # The broker delivers it so many times before it gives it up (x-delivery-limit), and not once only.
    assert wait_until(lambda: _started(sick) and accounted_for(system, mail), timeout=420, interval=0.5), (
        "it rests nowhere yet"
    )
    for healthy, worker in zip(system.workers, sick, strict=True):
        worker.stop(timeout=20)
        system.start(healthy)


def _started(workers: Sequence[Process]) -> bool:
    """Start those that have died; always true."""
    for worker in workers:
        worker.start()
    return True


def provider(name: str, **fault: object) -> Strike:
    """Return the strike that lets a provider fail for a while."""

    def strike(system: System, rng: random.Random) -> None:
        system.sandbox.fail(name, **fault)
        time.sleep(rng.uniform(4, 6))
        system.sandbox.fail(name, mode="latency", latency_ms=60)

    return strike


def both_providers_down(system: System, rng: random.Random) -> None:
    """Let nobody answer for a while."""
    for name in ("sendgrid", "mailgun"):
        system.sandbox.fail(name, status=503)
    time.sleep(rng.uniform(6, 10))
    for name in ("sendgrid", "mailgun"):
        system.sandbox.fail(name, mode="latency", latency_ms=60)


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """Fill a disk to the last byte for a while."""
    filler = directory / "filler"
    done = subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True, text=True, check=False)
    assert "No space left" in done.stderr, done.stderr
    try:
        yield
    finally:
        filler.unlink()


def disk_full_while_the_database_is_away(system: System, rng: random.Random) -> None:
    """Leave outcomes neither a database nor a disk."""
    with full(system.var):
        line(lambda s: [s.to_database], rng.uniform(8, 12), cut=True)(system, rng)
        time.sleep(2)


def disk_full(system: System, rng: random.Random) -> None:
    """Let SQLite find no room."""
    with full(system.var):
        time.sleep(rng.uniform(5, 8))


def clock_jumps(system: System, rng: random.Random) -> None:
    """Let one worker's clock be two hours ahead, the other's an hour behind."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    honest = system.workers
    wrong = []
    for number, (worker, offset) in enumerate(zip(honest, ("+7200", "-3600"), strict=True)):
        worker.stop(timeout=20)
        liar = system.worker(
            f"liar{number}", LD_PRELOAD=str(library), FAKETIME=offset, FAKETIME_DONT_FAKE_MONOTONIC="1"
        )
        system.start(liar)
        wrong.append(liar)
    victim = rng.choice(wrong)
    victim.kill()
    time.sleep(rng.uniform(6, 10))
    for liar, worker in zip(wrong, honest, strict=True):
        liar.stop(timeout=20)
        system.start(worker)


def broker(system: System) -> list[Proxy | None]:
    """Return the workers' line to the broker."""
    return [system.to_broker]


def database(system: System) -> list[Proxy | None]:
    """Return the workers' line to the database."""
    return [system.to_database]


def sendgrid(system: System) -> list[Proxy | None]:
    """Return the workers' line to SendGrid."""
    return [system.to_sendgrid]


def providers(system: System) -> list[Proxy | None]:
    """Return the workers' lines to both providers."""
    return [system.to_sendgrid, system.to_mailgun]


_SERVER = ("postgresql",)
_PATIENT = {"MAILER_WAIT_SECONDS": "900"}

FAULTS: tuple[Fault, ...] = (
    Fault(name="kill-worker", strike=kill(one_worker)),
    Fault(name="kill-worker, fail", strike=kill(one_worker), on_unknown="fail", twice=False),
    Fault(name="kill-worker, wait", strike=kill(one_worker), on_unknown="wait", environment=_PATIENT, waits=True,
          twice=False),
    Fault(name="kill-all-workers", strike=kill_all_workers),
    Fault(name="kill-workers-with-calls-unstored", strike=kill_workers_with_calls_unstored, databases=_SERVER),
    Fault(name="kill-api", strike=kill(web, times=4)),
    Fault(name="kill-api-before-publish", strike=kill_api_before_its_publish),
    Fault(name="kill-beat", strike=kill(beat)),
    Fault(name="kill-database", strike=kill_database(3), databases=_SERVER),
    Fault(name="kill-database, fail", strike=kill_database(3), databases=_SERVER, on_unknown="fail", twice=False),
    Fault(name="kill-database, wait", strike=kill_database(3), databases=_SERVER, on_unknown="wait",
          environment=_PATIENT, waits=True, twice=False),
    Fault(name="database-away-longer-than-leases", strike=kill_database(40), databases=_SERVER),
    Fault(name="kill-rabbit", strike=kill_rabbit),
    Fault(name="stop-worker", strike=stop(one_worker, 12)),
    Fault(name="stop-worker-longer-than-leases", strike=stop(one_worker, 45)),
    Fault(name="stop-api", strike=stop(web, 8)),
    Fault(name="stop-beat", strike=stop(beat, 8)),
    Fault(name="stop-database", strike=stop_database, databases=_SERVER),
    Fault(name="stop-rabbit", strike=stop_rabbit),
    Fault(name="cut-worker-broker", strike=line(broker, 6, cut=True)),
    Fault(name="hang-worker-broker", strike=line(broker, 25, cut=False)),
    Fault(name="cut-worker-database", strike=line(database, 8, cut=True), databases=_SERVER),
    Fault(name="hang-worker-database", strike=line(database, 20, cut=False), databases=_SERVER),
    Fault(name="cut-worker-providers", strike=line(providers, 6, cut=True)),
    Fault(name="hang-worker-sendgrid", strike=line(sendgrid, 8, cut=False)),
    Fault(name="hang-worker-providers, fail", strike=line(providers, 6, cut=False), on_unknown="fail", twice=False),
    Fault(name="sendgrid-accepts-and-hangs", strike=provider("sendgrid", mode="hang", accepts=True)),
    Fault(name="sendgrid-accepts-and-hangs, fail", strike=provider("sendgrid", mode="hang", accepts=True),
          on_unknown="fail", twice=False),
    Fault(name="sendgrid-accepts-and-hangs, wait", strike=provider("sendgrid", mode="hang", accepts=True),
          on_unknown="wait", environment=_PATIENT, waits=True, twice=False),
    Fault(name="mailgun-accepts-and-resets, wait", strike=provider("mailgun", mode="reset", accepts=True),
          on_unknown="wait", environment={"MAILER_ROUTING": "failover:mailgun,sendgrid", "MAILER_WAIT_SECONDS": "60"},
          twice=False),
    Fault(name="both-providers-down", strike=both_providers_down),
    Fault(name="disk-full-for-the-spool", strike=disk_full_while_the_database_is_away, databases=_SERVER,
          small_disk=16),
    Fault(name="disk-full-for-sqlite", strike=disk_full, databases=("sqlite",), small_disk=64),
    Fault(name="clocks-jump", strike=clock_jumps, databases=_SERVER),
    Fault(name="all-queues-deleted", strike=delete_all_queues, lost_with_queue=True),
    Fault(name="memory-alarm", strike=memory_alarm),
    Fault(name="poison", strike=poison),
    Fault(name="poison-that-kills", strike=poison_that_kills),
)  # fmt: skip
