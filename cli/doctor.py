"""`python -m mailer doctor`: is everything there that a mail needs?"""

from __future__ import annotations

from collections.abc import Iterator

import typer

from cli import check_broker, check_place, check_provider, check_reconciler, check_store
from cli.check import Check, Finding, Level, examine, failed, ok
from cli.output import Json, console, document
from mailer import bootstrap, masking
from mailer.errors import ConfigurationError
from mailer.providers import registry
from mailer.settings import Settings
from mailer.store import Database, Store

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILED: "bold red"}
# Those that ask at once each hold a connection.
_CONNECTIONS = 5


def doctor(*, json: Json = False) -> None:
    """Look whether everything is there that a mail needs: settings, broker, database, providers, clocks, sweep, disk.

    Every check runs, whatever the others find, and none takes longer than seconds. Nothing is sent or changed.

    Exit code 0: all is well, or worth a warning only; 1: something is broken.
    """
    findings: list[Finding] = []
    for finding in _findings():
        findings.append(finding)
        if not json:
            _show(finding)
    if json:
        document({"ok": _healthy(findings), "checks": findings})
    raise typer.Exit(0 if _healthy(findings) else 1)


def _healthy(findings: list[Finding]) -> bool:
    return all(f.level is not Level.FAILED for f in findings)


def _findings() -> Iterator[Finding]:
    """Yield what is found, in a fixed order, as soon as it is known."""
    try:
        settings = bootstrap.settings()
    except ConfigurationError as error:
        # Without settings there is nothing to ask, and nobody.
        yield failed("settings", str(error), "correct it; the other checks need it")
        return
    yield ok("settings", "every variable can be read")
    store = Store(Database(settings.database, pool_size=_CONNECTIONS))
    try:
        yield from _of(settings, store)
    finally:
        store.database.close()


def _of(settings: Settings, store: Store) -> Iterator[Finding]:
    try:
        configured = registry.load()
    except ConfigurationError as error:
        yield failed("providers", str(error), "correct it")
        configured = {}
    providers = check_provider.Providers.build(configured, settings)
    yield from examine(
        [
            *check_place.checks(settings),
            *check_broker.checks(settings),
            *check_store.checks(settings, store),
            *check_reconciler.checks(settings, store),
            *providers.checks(),
        ]
    )
    # After the providers: it is their answers that tell the time.
    yield from examine([Check("clock", lambda: check_provider.clocks(providers, store))])


def _show(finding: Finding) -> None:
    line = f"[{_STYLES[finding.level]}]{finding.level:<8}[/] {finding.name:<18} "
    said = masking.text(finding.found) + (f" -> {finding.cure}" if finding.cure else "")
    # Text of others' is no markup of ours.
    console().print(line + said.replace("[", "\\["))
