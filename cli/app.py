"""`python -m mailer`: what an operator does by hand. Exit code 0: done; 1: it could not be done, and why."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mailer import bootstrap
from mailer.client import task
from mailer.errors import MailerError
from mailer.store import migrate

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command("migrate")
def migrate_database() -> None:
    """Bring the database to the schema that this code needs; safe to run twice."""
    database = bootstrap.store().database
    migrate.upgrade(database)
    typer.echo(f"database at revision {migrate.revision(database)}")


@app.command()
def topology() -> None:
    """Declare the broker's exchanges and queues; safe to run twice."""
    task.declare(bootstrap.settings())
    typer.echo("broker topology declared")


@app.command()
def send(
    to: Annotated[list[str], typer.Option(help="a recipient, `Name <a@b>` or `a@b`; may be given several times")],
    subject: Annotated[str, typer.Option()] = "A first email",
    text: Annotated[str, typer.Option()] = "It works: this email went all the way.",
    sender: Annotated[str | None, typer.Option("--from", help="default: MAILER_FROM")] = None,
) -> None:
    """Hand one email to the workers through the broker; print its id."""
    fields = {"to": to, "subject": subject, "text": text} | ({"from": sender} if sender else {})
    typer.echo(task.publisher(bootstrap.settings()).apply_async(kwargs=fields).id)


def main() -> None:
    """Run a command; an error of ours is one clear line."""
    try:
        app()
    except MailerError as error:
        typer.echo(f"mailer: {error}", err=True)
        sys.exit(1)
