"""Spectral, which lints the description of the API: `tests/openapi` says which version, it goes below var/."""

from __future__ import annotations

from pathlib import Path

from deploy.local import npm
from deploy.place import ROOT, Place

SOURCE = ROOT / "tests" / "openapi"


def home() -> Path:
    """The directory that it is installed into."""
    return Place.load().var / "spectral"


def program() -> Path:
    """The program; it is there if it is installed."""
    return home() / "node_modules" / ".bin" / "spectral"


def install() -> None:
    """Installs it. Raises NotInstalledError."""
    npm.install(SOURCE, home())
