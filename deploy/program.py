"""One supervised program, and the Procfile's lines as such."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse_procfile

# Run by a platform before a new version starts, and by us before the programs start; not a program itself.
RELEASE = "release"


@dataclass(frozen=True, kw_only=True)
class Program:
    """A shell command that is kept running.

    Attributes:
        directory: where it runs and drops its cores and dumps; empty for the checkout.
        wait_for: `host:port` that must accept connections before it starts.
        stop_seconds: time between SIGTERM and SIGKILL.
    """

    name: str
    command: str
    directory: str = ""
    wait_for: str = ""
    stop_seconds: int = 18

    @property
    def shell(self) -> str:
        """Its command for `sh -c`; a simple one replaces the shell, so that signals reach the program itself."""
        return self.command if "&&" in self.command else f"exec {self.command}"


def from_procfile(path: Path) -> tuple[Program, ...]:
    """What a Procfile lists, without its release phase."""
    lines: dict[str, str] = parse_procfile(path.read_text(encoding="utf-8")).processes
    return tuple(Program(name=name, command=line) for name, line in lines.items() if name != RELEASE)
