"""Packages of npm, as a lock file names them: the linter of the API's description, the files of its page."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.local import apt
from deploy.local.error import NotInstalledError

PACKAGES = ("nodejs", "npm")
_LISTS = ("package.json", "package-lock.json")


def available() -> bool:
    """True if there is an npm."""
    return shutil.which("npm") is not None and shutil.which("node") is not None


def installed(source: Path, into: Path) -> bool:
    """True if `into` holds what the lock file in `source` names."""
    lock = into / _LISTS[-1]
    return (into / "node_modules").is_dir() and lock.exists() and filecmp.cmp(source / lock.name, lock, shallow=False)


def install(source: Path, into: Path) -> None:
    """Installs what the lock file in `source` names below `into`; no script of a package runs.

    Raises:
        NotInstalledError: there is no npm and we are not root, or the registry does not answer.
    """
    if installed(source, into):
        return
    if not available():
        apt.install(PACKAGES)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for name in _LISTS:
        shutil.copyfile(source / name, into / name)
    try:
        _npm(("ci", "--ignore-scripts", "--no-audit", "--no-fund"), into)
    except NotInstalledError:
        # Half of it would be taken for all of it the next time.
        shutil.rmtree(into)
        raise


def _npm(arguments: Sequence[str], folder: Path) -> None:
    # Scarf reports installations of some packages to their makers.
    environment = os.environ | {"SCARF_ANALYTICS": "false", "CI": "true"}
    done = subprocess.run(["npm", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise NotInstalledError("npm: " + " | ".join(lines))
