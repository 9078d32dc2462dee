"""The command line on a real database, with the sandbox's addresses and no broker; both kinds of database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.app import app
from mailer import bootstrap

# What nobody listens on.
NOBODY = "127.0.0.1:9"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which is one JSON document and nothing else."""
        return json.loads(self.out)


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """Give the environment of the commands; a test may change it."""
    for folder in ("messages", "control"):
        (tmp_path / "broker" / folder).mkdir(parents=True, exist_ok=True)
    return {
        "DATABASE_URL": database_url,
        "MAILER_VAR": str(tmp_path),
        "CELERY_BROKER_URL": "filesystem://",
        "SENDGRID_API_KEY": "SG.secret-of-ours",
        "MAILER_SENDGRID_URL": f"http://{NOBODY}",
        "MAILGUN_API_KEY": "",
        "MAILGUN_DOMAIN": "",
        "MAILER_FROM": "",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Iterator[Callable[..., Done]]:
    """Give a way to run a command."""

    def command(*arguments: str, input: str | None = None) -> Done:
        forget()
        result = CliRunner().invoke(app, arguments, env=environment, input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    yield command
    forget()


def forget() -> None:
    """Let the next command read its environment anew."""
    if bootstrap.store.cache_info().currsize:
        bootstrap.store().database.close()
    for made in (
        *(bootstrap.settings, bootstrap.store, bootstrap.desk, bootstrap.keyring, bootstrap.blocklist),
        *(
            bootstrap.caller,
            bootstrap.hearing,
            bootstrap.reconciler,
            bootstrap._reading_transport,
            bootstrap._reading_pace,
        ),
    ):
        made.cache_clear()
