"""`python -m mailer projects create|change|list`: who owns messages, keys and settings."""

from __future__ import annotations

from typing import Annotated

import pydantic
import typer
from rich.table import Table

from cli.output import Json, console, document, say
from mailer import bootstrap
from mailer.client.task import is_project
from mailer.errors import ConfigurationError
from mailer.problem import parsed
from mailer.request import Domain

_Name = Annotated[str, typer.Argument(help="1 to 64 of A-Z a-z 0-9 . _ -")]
_Domains = Annotated[
    list[str] | None, typer.Option("--from-domain", help="it may send from this one and those below; none: from any")
]


class Rules(pydantic.BaseModel):
    """What holds for all keys and calls of a project."""

    from_domains: list[Domain]


def create(name: _Name, *, from_domain: _Domains = None, json: Json = False) -> None:
    """Make a project.

    Exit code 0: it is made; 1: there is one of that name, or something is wrong with it.
    """
    if not is_project(name):
        raise ConfigurationError(f"{name} is no name: 1 to 64 of A-Z a-z 0-9 . _ -")
    if not bootstrap.keyring().add_project(name, from_domains=_rules(from_domain).from_domains):
        raise ConfigurationError(f"there is a project {name} already")
    _said(name, "made", json)


def change(
    name: _Name,
    *,
    from_domain: _Domains = None,
    any_domain: Annotated[bool, typer.Option("--any-domain", help="it may send from any domain")] = False,
    json: Json = False,
) -> None:
    """Change the domains that a project may send from: all of them are given, in place of those before.

    Exit code 0: it is changed; 1: there is none of that name; 2: neither domains nor --any-domain are given, or both.
    """
    if bool(from_domain) == any_domain:
        raise typer.BadParameter("either --from-domain (several times) or --any-domain")
    if not bootstrap.keyring().change_project(name, from_domains=_rules(from_domain).from_domains):
        raise ConfigurationError(f"there is no project {name}")
    _said(name, "changed", json)


def listed(*, json: Json = False) -> None:
    """List the projects.

    Exit code 0.
    """
    found = bootstrap.keyring().projects()
    if json:
        document({"projects": found})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("project", "since", "sends from"):
        table.add_column(title)
    for p in found:
        table.add_row(p.id, p.created_at.isoformat(timespec="seconds"), ", ".join(p.from_domains) or "any domain")
    console().print(table)


def _rules(from_domains: list[str] | None) -> Rules:
    return parsed(Rules, {"from_domains": from_domains or []})


def _said(name: str, done: str, json: bool) -> None:
    if json:
        document({"project": name, "done": done})
    else:
        say(f"project {name} is {done}")
