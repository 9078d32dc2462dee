"""`make run`: the whole system on this machine, kept alive until Ctrl-C, and nothing of it left afterwards.

This process is the root of all others: supervisord is its child and starts again whatever dies, and it starts
supervisord again. What is orphaned below it becomes its own child (family.py), and when it dies itself the kernel
tells supervisord (tether.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import NoReturn

from deploy import broker as brokers
from deploy import guide, program, readiness
from deploy.environment import Environment, wants_sandbox
from deploy.first_email import FirstEmail
from deploy.local import process
from deploy.local.error import DidNotStartError, LocalError
from deploy.local.family import Family
from deploy.local.port import wait_until
from deploy.local.rabbitmq import speaks_amqp
from deploy.make import Make
from deploy.place import ROOT, Place
from deploy.program import Program
from deploy.supervisor import Supervisor

BROKER_TIMEOUT = 40
READY_TIMEOUT = 90
# make's caller waits 30 s; supervisord needs 18 for the service and 8 for the base when nobody ends by himself.
STOP_TIMEOUT = 27
TICK = 0.5

# By the --hostname that the Procfile gives them.
WORKERS = ("transactional", "bulk", "events", "callbacks")


class Stopped(BaseException):
    """Somebody wants us to end; not an error, so that nothing takes it for one."""


class Run:
    """One run, from the first check to the last process gone."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._began = time.monotonic()
        self._given = environ
        self._sandbox = wants_sandbox(environ)
        self._place = Place.load(environ)
        self._make = Make()
        self._family = Family()
        self._broker: brokers.Broker | None = None
        self._supervisor: Supervisor | None = None

    def __call__(self) -> None:
        """Runs until Stopped is raised in it."""
        with self._place.occupy():
            self._place.require_ports(sandbox=self._sandbox)
            try:
                self._start()
                while True:
                    self._watch()
                    time.sleep(TICK)
            finally:
                self._end()

    def _start(self) -> None:
        place = self._place
        self._broker = brokers.choose(self._given, place.var, tell=tell)
        environment = Environment.build(place, self._broker, self._given)
        environment.write(place.var / "env")
        tell(f"{'broker':<9} {self._broker.label}")
        tell(f"{'database':<9} {_without_password(environment.whole['DATABASE_URL'])}")
        self._supervisor = Supervisor(
            place,
            base=[*self._broker.programs, *self._sandbox_programs()],
            service=program.from_procfile(ROOT / "Procfile"),
            environment=environment.whole,
        )
        self._supervisor.start()
        self._release(environment, "migrate")
        self._supervisor.start_program("web")  # needs no broker to begin with, so it comes up beside it
        self._await_broker()
        self._supervisor.start_service()
        self._release(environment, "topology")  # workers declare the same; here it is for the first delayed task
        wanted = readiness.parts(place, sandbox=self._sandbox, workers=WORKERS, environ=environment.whole)
        readiness.wait(wanted, place, timeout=READY_TIMEOUT, meanwhile=self._watch)
        self._announce(environment)

    def _announce(self, environment: Environment) -> None:
        place, said, message = self._place, "send one with the line above", ""
        if self._sandbox:
            email = FirstEmail(place=place, api_key=environment.decided["MAILER_API_KEY"])
            message = email.send()
            email.wait(message, timeout=30, meanwhile=self._watch)
            said = f"the first email ({message}) is in the inbox"
        tell(guide.where(place, sandbox=self._sandbox))
        tell(f"\nby HTTP:\n  {guide.curl(place)}\nfrom Python:\n  {guide.python(place)}")
        if message:
            tell(f"what became of the first email:\n  {guide.show(place, message)}")
        if not self._sandbox:
            tell(f"a real email, to yourself (nothing has been sent):\n  {guide.command(place)}")
        tell(f"\nready: {time.monotonic() - self._began:.1f} s, {said}. Ctrl-C stops everything.")

    def _sandbox_programs(self) -> list[Program]:
        if not self._sandbox:
            return []
        tell(f"{'providers':<9} the sandbox answers for both: neither SENDGRID_API_KEY nor MAILGUN_API_KEY is set")
        return [Program(name="sandbox", command="python -m sandbox", stop_seconds=5)]

    def _release(self, environment: Environment, command: str) -> None:
        """What the Procfile's release phase does, one command at a time. Raises LocalError with its last line."""
        done = subprocess.run(
            [sys.executable, "-m", "mailer", command],
            env=environment.whole,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        (self._place.logs / f"{command}.log").write_text(done.stdout, encoding="utf-8")
        if done.returncode != 0:
            last = (done.stdout.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise LocalError(f"`python -m mailer {command}` failed: {last}")

    def _await_broker(self) -> None:
        """Returns when our own node answers; one that has ended once will not do better the second time."""
        if self._broker is None or self._broker.port is None or self._supervisor is None:
            return
        port, supervisor, log = self._broker.port, self._supervisor, self._place.logs / "rabbitmq.log"
        first = supervisor.program_pid("rabbitmq")
        wait_until(
            lambda: speaks_amqp(port) or supervisor.program_pid("rabbitmq") != first or self._make.interrupted,
            timeout=BROKER_TIMEOUT,
        )
        self._check()
        if not speaks_amqp(port):
            raise DidNotStartError(f"the private RabbitMQ node did not start; the end of {log}:\n{process.tail(log)}")

    def _check(self) -> None:
        """Between two looks at something else: are we to stop, is everybody there?"""
        if self._make.interrupted:
            raise Stopped
        if self._supervisor is not None:
            pid = self._supervisor.pid
            self._family.tidy(own=() if pid is None else (pid,))

    def _watch(self) -> None:
        """Brings supervisord back when it has been killed; its programs died with it."""
        self._check()
        if self._supervisor is None or self._supervisor.pid is not None:
            return
        tell("supervisord ended; starting it again")
        self._family.end()
        self._supervisor.start()
        self._await_broker()
        self._supervisor.start_service()

    def _end(self) -> None:
        """Stops everything; what has not ended by then is killed, whoever its parent is now."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        supervisor = self._supervisor
        if supervisor is not None:
            tell("stopping: calls that are under way may end ...")
            supervisor.terminate()
            wait_until(lambda: supervisor.pid is None, timeout=STOP_TIMEOUT)
        self._family.end()
        if supervisor is not None:
            tell("stopped")


def tell(text: str) -> None:
    """A line for whoever looks at the terminal, at once."""
    print(text, flush=True)


def _without_password(url: str) -> str:
    """A database's address as it may be shown."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


def main() -> int:
    """Exit code: 0 after a signal, 1 if it could not be started; why is one line on stderr, with a log's tail."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _stop)
    try:
        Run()()
    except Stopped:
        return 0
    except (LocalError, OSError) as error:
        print(f"make run: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
