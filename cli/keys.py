"""`python -m mailer keys create|list|revoke`: who may use the HTTP API."""

from __future__ import annotations

from datetime import datetime
from json import dumps
from typing import Annotated

import typer
from rich.table import Table

from cli import moment
from cli.output import Json, ago, console, document, say
from mailer import bootstrap, clock
from mailer.api_key import DEFAULT_PROJECT, ApiKey
from mailer.errors import ConfigurationError
from mailer.ledger import Answer
from mailer.problem import parsed
from mailer.request import KeyRequest
from mailer.resource import Scope

_OF_PROJECT = typer.Option("--project", help="whose it is")


def create(
    name: Annotated[str, typer.Argument(help="what it is for, e.g. `shop`")],
    *,
    scope: Annotated[list[Scope], typer.Option(help="what it may do; may be given several times")],
    project: Annotated[str, _OF_PROJECT] = DEFAULT_PROJECT,
    from_domain: Annotated[list[str] | None, typer.Option(help="it may send from this domain and those below")] = None,
    network: Annotated[list[str] | None, typer.Option(help="it may be used from here, e.g. 10.0.0.0/8")] = None,
    rate: Annotated[str | None, typer.Option(help="e.g. 600/minute; default: MAILER_RATE_KEY")] = None,
    expires: Annotated[str | None, typer.Option(help="when it ends: 30d, or RFC 3339 with its offset")] = None,
    test: Annotated[bool, typer.Option("--test", help="its messages only reach the providers' test modes")] = False,
    json: Json = False,
) -> None:
    """Make a key and print it: the only time that it is shown.

    Exit code 0: it is made; 1: something is wrong with what was asked for.
    """
    keyring = bootstrap.keyring()
    _require(project)
    wanted = parsed(KeyRequest, {
        "name": name, "scopes": scope, "from_domains": from_domain or [], "networks": network or [], "rate": rate,
        "expires_at": moment.parse(expires, ahead=True) if expires else None, "test": test,
    }, context={"now": keyring.now()})  # fmt: skip
    key, token = keyring.make(wanted, project_id=project)
    keyring.add(key)
    if json:
        # The only place where a secret is shown, so it is not masked.
        typer.echo(dumps({"id": key.id, "key": token}, indent=2))
        return
    typer.echo(token)
    say(f"{key.id}: {key.name} of {key.project_id}, {', '.join(sorted(key.scopes))}. It is not shown again.", "dim")


def listed(
    *, project: Annotated[str | None, typer.Option("--project", help="default: of all")] = None, json: Json = False
) -> None:
    """List keys, the newest first, revoked ones too.

    Exit code 0.
    """
    found = bootstrap.keyring().listed(project_id=project)
    now = clock.now()
    if json:
        document({"keys": [{**_row(k), "from_domains": k.from_domains, "rate": k.rate} for k in found]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "key", "name", "project", "scopes", "state", "last used"):
        table.add_column(title, no_wrap=title == "id")
    for k in found:
        used = ago(k.last_used_at, now) if k.last_used_at else "never"
        scopes = " ".join(sorted(k.scopes))
        table.add_row(k.id, f"{k.prefix}...", k.name, k.project_id, scopes, _state(k, now), used)
    console().print(table)


def revoke(
    id: Annotated[str, typer.Argument(help="the key's id, or its beginning as `list` shows it")], *, json: Json = False
) -> None:
    """End a key. Within seconds no process takes it any more; that cannot be undone.

    Exit code 0: it is revoked; 1: there is no such key.
    """
    keyring = bootstrap.keyring()
    given = id.rstrip(".\N{HORIZONTAL ELLIPSIS}")
    found = next((k for k in keyring.listed(project_id=None) if given in (k.id, k.prefix)), None)
    if found is None:
        raise ConfigurationError(f"there is no key {id}")
    keyring.revoke(found.id, project_id=found.project_id, once=None, render=lambda _: Answer(status=200, body={}))
    if json:
        document({"id": found.id, "revoked": True})
    else:
        say(f"{found.id} ({found.name}) is revoked")


def _require(project: str) -> None:
    if bootstrap.keyring().project(project) is None:
        raise ConfigurationError(f"there is no project {project}: python -m mailer projects create {project}")


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id, "prefix": key.prefix, "name": key.name, "project": key.project_id, "test": key.test,
        "scopes": sorted(key.scopes), "created_at": key.created_at, "expires_at": key.expires_at,
        "revoked_at": key.revoked_at, "last_used_at": key.last_used_at,
        "networks": [str(n) for n in key.networks],
    }  # fmt: skip


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {ago(key.revoked_at, now)}"
    if not key.holds(now=now):
        return "expired"
    return f"ends {ago(key.expires_at, now)}" if key.expires_at else "holds"
