"""`python -m mailer topology`."""

from __future__ import annotations

from cli.output import Json, document, say
from mailer import bootstrap
from mailer.client.topology import declare


def topology(*, json: Json = False) -> None:
    """Declare the broker's exchanges and queues; safe to run twice.

    Exit code 0: done; 1: it could not be done.
    """
    declare(bootstrap.settings())
    if json:
        document({"declared": True})
    else:
        say("broker topology declared")
