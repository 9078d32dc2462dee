"""`python -m mailer`: what an operator does by hand.

Every command takes --json: one JSON document on stdout, and nothing else there.

Exit codes: 0 fine or done; 1 something is wrong, was found, or could not be done; 2 wrong usage.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from cli import keys, projects, suppressions, webhooks
from cli.doctor import doctor
from cli.drill import drill
from cli.migrate import migrate
from cli.output import document
from cli.reconcile import reconcile
from cli.replay import replay
from cli.send import send
from cli.stuck import stuck
from cli.topology import topology
from cli.trace import trace
from mailer import log, masking
from mailer.errors import MailerError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def _clear(command: Callable[..., None]) -> Callable[..., None]:
    """Let an error of ours be one clear line, and with --json a document too."""

    @wraps(command)
    def run(**given: Any) -> None:
        log.aside()
        try:
            command(**given)
        except MailerError as error:
            said = masking.text(str(error))
            if given["json"]:
                document({"error": said})
            typer.echo(f"mailer: {said}", err=True)
            raise typer.Exit(1) from error

    return run


for command in (doctor, trace, stuck, replay, reconcile, drill, send, migrate, topology):
    app.command()(_clear(command))

_GROUPS: dict[str, dict[str, Callable[..., None]]] = {
    "keys": {"create": keys.create, "list": keys.listed, "revoke": keys.revoke},
    "projects": {"create": projects.create, "change": projects.change, "list": projects.listed},
    "webhooks": {"quarantined": webhooks.quarantined, "reread": webhooks.reread},
    "suppressions": {"list": suppressions.listed, "add": suppressions.add, "remove": suppressions.remove},
}
_HELP = {
    "keys": "Who may use the HTTP API.",
    "projects": "Who owns messages, keys and settings.",
    "webhooks": "What providers have told, as it came.",
    "suppressions": "Whom nobody mails.",
}
for name, verbs in _GROUPS.items():
    group = typer.Typer(no_args_is_help=True)
    for verb, said in verbs.items():
        group.command(verb)(_clear(said))
    app.add_typer(group, name=name, help=_HELP[name])


def main() -> None:
    """Run a command."""
    app()
