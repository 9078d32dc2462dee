"""Checks of this machine: the settings, the spool, the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cli.check import Check, Finding, failed, ok, warning
from mailer.errors import ConfigurationError
from mailer.providers import registry
from mailer.routing import Routing
from mailer.settings import Settings

_MB = 1024 * 1024
_LITTLE, _TOO_LITTLE = 1024 * _MB, 100 * _MB


def checks(settings: Settings) -> list[Check]:
    """Return the checks."""
    return [
        Check("routing", lambda: _routing(settings)),
        Check("spool", lambda: _spool(Path(settings.var) / "spool")),
        Check("disk", lambda: _disk(Path(settings.var))),
    ]


def _routing(settings: Settings) -> Finding:
    try:
        Routing.parse(settings.routing, providers=registry.NAMES)
        configured = list(registry.load())
    except ConfigurationError as error:
        return failed("routing", str(error), "correct it")
    if not configured:
        cure = "set SENDGRID_API_KEY, or MAILGUN_API_KEY and MAILGUN_DOMAIN"
        return failed("routing", "no provider is configured", cure)
    if len(configured) == 1:
        return warning("routing", f"only {configured[0]}: there is nobody to fail over to", "configure another")
    return ok("routing", f"{settings.routing}, over {', '.join(configured)}")


def _spool(folder: Path) -> Finding:
    # It is made by whoever first needs it: then its parent must let us.
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        return failed("spool", f"{place} is not writable", "let the user of the API and the workers write there")
    waiting = sum(1 for _ in folder.glob("*.json")) if folder.exists() else 0
    if waiting:
        return warning("spool", f"{waiting} mails wait in {folder}", "stored when the database takes them again")
    return ok("spool", f"{folder} is empty")


def _disk(var: Path) -> Finding:
    place = next(p for p in (var, *var.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    said = f"{free / _MB:,.0f} MB free under {var}"
    if free < _TOO_LITTLE:
        return failed("disk", said, "make room: logs, the spool and SQLite stop when it is full")
    return warning("disk", said, "make room soon") if free < _LITTLE else ok("disk", said)
