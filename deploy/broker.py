"""Which broker `make run` uses: the given one, a private RabbitMQ node, or files; and a line that says why."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local import apt, epmd, rabbitmq
from deploy.local.error import LocalError, NotInstalledError
from deploy.local.rabbit_home import RabbitHome
from deploy.program import Program

FILES_WARNING = "slow (about 10 mails a second), and what a killed worker held comes back only with the sweep"


@dataclass(frozen=True, kw_only=True)
class Broker:
    """The chosen broker.

    Attributes:
        url: for CELERY_BROKER_URL; carries a password.
        label: which and why, for people; carries none.
        environment: what the programs need to know besides.
        programs: what must run for it.
        port: of our own node, otherwise None.
    """

    url: str
    label: str
    environment: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[Program, ...] = ()
    port: int | None = None


def choose(environ: Mapping[str, str], var: Path, *, tell: Callable[[str], None]) -> Broker:
    """CELERY_BROKER_URL, else a private node, else files; MAILER_BROKER=rabbitmq|filesystem skips the choice.

    Raises LocalError when MAILER_BROKER asks for what cannot be had.
    """
    wish = environ.get("MAILER_BROKER", "")
    if wish not in ("", "rabbitmq", "filesystem"):
        raise LocalError(f"MAILER_BROKER is rabbitmq, filesystem or unset, not {wish!r}")
    if wish == "filesystem":
        return _files(var, "MAILER_BROKER asks for it")
    if not wish and (url := environ.get("CELERY_BROKER_URL")):
        return _given(url)
    try:
        return _node(var, tell)
    except NotInstalledError as error:
        if wish:
            raise
        return _files(var, str(error).splitlines()[0])


def _given(url: str) -> Broker:
    where = " ".join(_where(address) for address in url.split(";"))
    return Broker(url=url, label=f"{where} (CELERY_BROKER_URL)")


def _where(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


def _node(var: Path, tell: Callable[[str], None]) -> Broker:
    if not rabbitmq.installed():
        if apt.available():
            tell("installing RabbitMQ (apt-get; its service is not started) ...")
        rabbitmq.install()
    home = RabbitHome.keep(var / "rabbitmq", user="mailer")
    home.write()
    # env -i: the node's environment is its own, whole; nothing of ours may reach it.
    clean = ["env", "-i", *(f"{name}={value}" for name, value in home.environment().items())]
    return Broker(
        url=home.url(),
        label=f"a private RabbitMQ node on 127.0.0.1:{home.port}, in {home.base}",
        programs=(
            Program(name="epmd", command=shlex.join(epmd.command(home.epmd_port)), stop_seconds=3),
            Program(
                name="rabbitmq",
                command=shlex.join([*clean, *home.command]),
                directory=str(home.base),
                wait_for=f"127.0.0.1:{home.epmd_port}",
                stop_seconds=8,
            ),
        ),
        port=home.port,
    )


def _files(var: Path, why: str) -> Broker:
    folder = var / "broker"
    for name in ("messages", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Broker(
        url="filesystem://",
        label=f"files in {folder}, no RabbitMQ: {why}. Warning: {FILES_WARNING}",
        environment={"MAILER_BROKER_DIR": str(folder)},
    )
