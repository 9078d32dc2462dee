"""`python -m mailer send`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import Json, document
from mailer import bootstrap
from mailer.client import task


def send(
    *,
    to: Annotated[list[str], typer.Option(help="a recipient, `Name <a@b>` or `a@b`; may be given several times")],
    subject: Annotated[str, typer.Option()] = "A first email",
    text: Annotated[str, typer.Option()] = "It works: this email went all the way.",
    sender: Annotated[str | None, typer.Option("--from", help="default: MAILER_FROM")] = None,
    json: Json = False,
) -> None:
    """Hand one email to the workers through the broker; print its id.

    Exit code 0: the broker has it; 1: it has not.
    """
    fields = {"to": to, "subject": subject, "text": text} | ({"from": sender} if sender else {})
    id = task.publisher(bootstrap.settings()).apply_async(kwargs=fields).id
    if json:
        document({"id": id})
    else:
        typer.echo(id)
