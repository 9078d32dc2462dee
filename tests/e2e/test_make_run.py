"""`make run` as somebody at a terminal sees it: what it prints, what it keeps alive, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.local import rabbitmq, tree
from deploy.local.port import free_port, wait_until
from deploy.place import ROOT

DEADLINE = 100
PROGRAMS = ["web", "worker", "bulk", "events", "callbacks", "beat", "flower", "sandbox", "rabbitmq", "epmd"]
COMMAND = {
    "web": "gunicorn -c deploy/gunicorn.conf.py",
    "worker": "--hostname transactional@",
    "bulk": "--hostname bulk@",
    "events": "--hostname events@",
    "callbacks": "--hostname callbacks@",
    "beat": "tasks beat",
    "flower": "tasks flower",
    "sandbox": "-m sandbox",
    "rabbitmq": "beam.smp",
    "epmd": "epmd -address",
}


class MakeRun:
    """One `make run` with ports and a directory of its own."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.var = var
        self.ports = {name: free_port() for name in ("PORT", "FLOWER_PORT", "MAILER_SANDBOX_PORT")}
        ours = ("MAKE", "MFLAGS", "MAILER_", "FLOWER_", "CELERY_", "DATABASE_URL", "SENDGRID_", "MAILGUN_", "SENTRY_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        ports = {name: str(port) for name, port in self.ports.items()}
        self.environment = {**clean, **ports, "MAILER_VAR": str(var), **environment}
        self._output = var.with_name(f"{var.name}.out")
        self.make: subprocess.Popen[bytes] | None = None

    def start(self) -> MakeRun:
        with self._output.open("wb") as output:
            self.make = subprocess.Popen(
                ["make", "run"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def ready(self) -> MakeRun:
        wait_until(lambda: self.line("ready:") != "" or self.ended, timeout=DEADLINE, interval=0.2)
        assert self.line("ready:"), self.said
        return self

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def ended(self) -> bool:
        return self.make is not None and self.make.poll() is not None

    @property
    def pid(self) -> int:
        assert self.make is not None
        return self.make.pid

    def line(self, start: str) -> str:
        return next((line for line in self.said.splitlines() if line.startswith(start)), "")

    def pasted(self, title: str) -> str:
        """Output of the line below `title`, pasted into a shell that knows nothing."""
        line = self.said.partition(f"\n{title}\n")[2].splitlines()[0]
        home = {"PATH": os.environ["PATH"], "HOME": "/"}
        return subprocess.run(["sh", "-c", line], env=home, cwd="/", check=True, capture_output=True, text=True).stdout

    def processes(self) -> list[int]:
        """All of it, whoever their parent is: their environment or command line names our directory."""
        return [pid for pid in tree.parents() if pid != os.getpid() and str(self.var) in _about(pid)]

    def program(self, name: str) -> int:
        """Process id of a program (of several, the eldest: gunicorn's workers look like their master); 0 if none."""
        found = [pid for pid in self.processes() if COMMAND[name] in _command(pid) and "tether" not in _command(pid)]
        parents = tree.parents()
        return next((pid for pid in found if parents.get(pid) not in found), 0)

    def post(self, **fields: str) -> str:
        """The id of a message that the API has taken; asks again while it is away."""
        taken: list[str] = []
        body = {"to": "somebody@example.com", "subject": "Hello", "text": "Hello", **fields}

        def took() -> bool:
            try:
                answer = requests.post(self.url("/v1/messages"), json=body, headers=self._login, timeout=10)
            except requests.ConnectionError:
                return False
            if answer.status_code == 202:
                taken.append(answer.json()["id"])
            return bool(taken)

        assert wait_until(took, timeout=40, interval=0.3)
        return taken[0]

    def accepted(self, message: str, *, timeout: float = 60) -> bool:
        return wait_until(lambda: self.message(message).get("status") == "accepted", timeout=timeout, interval=0.2)

    def message(self, message: str) -> dict[str, Any]:
        try:
            answer = requests.get(self.url(f"/v1/messages/{message}"), headers=self._login, timeout=10)
        except requests.ConnectionError:
            return {}
        return dict(answer.json())

    def mails(self) -> list[dict[str, Any]]:
        """What lies in the sandbox's inbox."""
        answer = requests.get(f"http://127.0.0.1:{self.ports['MAILER_SANDBOX_PORT']}/api/mails", timeout=10)
        return list(answer.json()["mails"])

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ports['PORT']}{path}"

    def stop(self, number: signal.Signals, *, pid: int | None = None) -> list[int]:
        """Signals one process (make, unless told otherwise); what is left of all after 30 s."""
        tree.send(pid or self.pid, number)
        wait_until(lambda: self.ended and not self.processes(), timeout=30, interval=0.2)
        return self.processes()

    def clean(self) -> None:
        """For a test that failed: nothing of it may disturb the next one."""
        if self.make is not None:
            self.stop(signal.SIGTERM)
            tree.end(self.processes(), grace=0)
            self.make.wait(10)

    @property
    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {(self.var / 'api_key').read_text(encoding='utf-8').strip()}"}


def _about(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace") + _command(pid)
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def system(directory: Path) -> Iterator[MakeRun]:
    wanted = "rabbitmq" if rabbitmq.installed() else "filesystem"
    # What is posted while the broker is away waits for the sweep: soon, here.
    running = MakeRun(
        directory / "var", MAILER_BROKER=wanted, MAILER_SWEEP_GRACE="5", MAILER_SWEEP_INTERVAL="2"
    ).start()
    try:
        yield running.ready()
    finally:
        running.clean()


def test_one_line_says_ready_and_the_first_email_is_in_the_inbox(system: MakeRun) -> None:
    found = re.match(r"ready: [0-9.]+ s, the first email \(([0-9a-f-]{36})\)", system.line("ready:"))
    assert found
    assert system.message(found[1])["status"] == "accepted"
    assert len(system.mails()) >= 1
    for name in ("inbox", "Flower", "API", "logs"):
        assert system.line(name)


def test_the_curl_line_sends_an_email_when_pasted(system: MakeRun) -> None:
    answer = json.loads(system.pasted("by HTTP:"))
    assert system.accepted(answer["id"])


def test_the_python_line_sends_an_email_when_pasted(system: MakeRun) -> None:
    assert system.accepted(system.pasted("from Python:").strip())


def test_keys_are_for_their_owner_and_never_shown(system: MakeRun) -> None:
    files = [system.var / "api_key", system.var / "env", *(system.var / "sandbox").glob("*_api_key")]
    assert len(files) == 4
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    shown = system.said + "".join(log.read_text(errors="replace") for log in (system.var / "log").iterdir())
    for file in files[:1] + files[2:]:
        assert file.read_text(encoding="utf-8").strip() not in shown


def test_a_port_in_use_is_one_clear_line_and_nothing_is_left(system: MakeRun, directory: Path) -> None:
    second = MakeRun(directory / "second", PORT=str(system.ports["PORT"])).start()
    assert wait_until(lambda: second.ended, timeout=20)
    assert second.line("make run: ") == (
        f"make run: port {system.ports['PORT']} on 127.0.0.1 is in use; set PORT to another one"
    )
    assert second.make is not None
    assert second.make.returncode != 0
    assert second.processes() == []


def test_a_directory_in_use_is_one_clear_line(system: MakeRun) -> None:
    second = MakeRun(system.var.parent / "unused", MAILER_VAR=str(system.var)).start()
    assert wait_until(lambda: second.ended, timeout=20)
    assert second.line("make run: another `make run` is using")
    assert system.accepted(system.post())


def test_a_broker_that_does_not_answer_is_one_clear_line_and_nothing_is_left(directory: Path) -> None:
    with socket.socket() as nobody:  # bound, not listening: the port stays free of others and refuses
        nobody.bind(("127.0.0.1", 0))
        url = f"amqp://guest:secret@127.0.0.1:{nobody.getsockname()[1]}//"
        run = MakeRun(directory / "no-broker", CELERY_BROKER_URL=url).start()
        assert wait_until(lambda: run.ended, timeout=DEADLINE)
    assert run.line("make run: `python -m mailer topology` failed")
    assert "secret" not in run.said
    assert run.processes() == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_killed_comes_back_and_mail_goes_on(system: MakeRun, program: str) -> None:
    before = system.program(program)
    if not before:
        pytest.skip(f"this system runs no {program}")
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: system.program(program) not in (0, before), timeout=30, interval=0.1)
    assert system.accepted(system.post(lane="bulk" if program == "bulk" else "transactional"))


def test_a_killed_worker_of_the_web_server_comes_back(system: MakeRun) -> None:
    master = system.program("web")
    before = set(tree.descendants(master))
    os.kill(min(before), signal.SIGKILL)
    assert wait_until(lambda: len(set(tree.descendants(master)) - before) == 1, timeout=10)


def test_a_killed_supervisor_comes_back_with_all_its_programs(system: MakeRun) -> None:
    before = {name: system.program(name) for name in PROGRAMS}
    (supervisor,) = (pid for pid in system.processes() if "supervisor.supervisord" in _command(pid))
    os.kill(supervisor, signal.SIGKILL)

    def back() -> bool:
        return all(system.program(name) not in (0, pid) for name, pid in before.items() if pid)

    assert wait_until(back, timeout=60, interval=0.2)
    assert tree.alive(pid for pid in before.values() if pid) == []
    assert system.accepted(system.post())


def test_flower_sees_all_workers_after_all_that(system: MakeRun) -> None:
    url = f"http://127.0.0.1:{system.ports['FLOWER_PORT']}/api/workers?status=true"

    def seen() -> bool:
        return sorted(name.partition("@")[0] for name, up in requests.get(url, timeout=10).json().items() if up) == [
            "bulk",
            "callbacks",
            "events",
            "transactional",
        ]

    assert wait_until(seen, timeout=30, interval=0.5)


def test_a_second_one_on_files_lives_beside_it_and_sigint_to_make_alone_ends_only_that(
    system: MakeRun, directory: Path
) -> None:
    second = MakeRun(directory / "files", MAILER_BROKER="filesystem").start()
    try:
        second.ready()
        assert "Warning" in second.line("broker")
        assert second.accepted(second.post())
        assert len(second.mails()) == 2
        assert second.stop(signal.SIGINT) == []
    finally:
        second.clean()
    assert system.accepted(system.post())


def test_nothing_is_orphaned_when_the_root_itself_is_killed(directory: Path) -> None:
    run = MakeRun(directory / "killed", MAILER_BROKER="filesystem").start()
    try:
        run.ready()
        (root,) = (pid for pid in run.processes() if "-m deploy.run" in _command(pid))
        assert run.stop(signal.SIGKILL, pid=root) == []
    finally:
        run.clean()


@pytest.fixture
def given_broker(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Somebody's own broker, as far as it can be had here."""
    if not rabbitmq.installed():
        yield {"MAILER_BROKER": "filesystem"}
        return
    with rabbitmq.RabbitNode(tmp_path) as node:
        yield {"CELERY_BROKER_URL": node.url()}


def test_with_a_real_key_and_a_given_broker_nothing_is_sent_and_the_command_is_shown(
    given_broker: dict[str, str], directory: Path
) -> None:
    # 192.0.2.0/24 is nobody's: if something were sent after all, it would reach no provider.
    run = MakeRun(
        directory / "real",
        **given_broker,
        SENDGRID_API_KEY="SG.real",
        MAILER_SENDGRID_URL="http://192.0.2.1",
        MAILER_FROM="hello@example.org",
    ).start()
    try:
        run.ready()
        assert "python -m mailer send --to" in run.said
        assert run.program("sandbox") == run.program("rabbitmq") == 0
        assert "attempt" not in (run.var / "log" / "worker.log").read_text(encoding="utf-8")
        assert run.stop(signal.SIGTERM, pid=tree.descendants(run.pid)[0]) == []
    finally:
        run.clean()


def test_sigterm_to_make_alone_leaves_nothing(system: MakeRun) -> None:
    assert system.stop(signal.SIGTERM) == []
    assert system.make is not None
    assert system.make.returncode in (0, 2, 130, 143, -signal.SIGTERM)
