"""Debian packages, installed when we are root; we want their programs, their services are not started."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.local.error import NotInstalledError

# invoke-rc.d and deb-systemd-invoke ask this before they start a service; 101 = "forbidden by policy".
POLICY = Path("/usr/sbin/policy-rc.d")
FORBID = "#!/bin/sh\n# Written by deploy/local/apt.py for the time of one installation.\nexit 101\n"


def available() -> bool:
    """True if packages can be installed: we are root and there is an apt-get."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Installs `packages` without starting a service. Raises NotInstalledError, with apt's last lines."""
    if not available():
        raise NotInstalledError(f"missing: {' '.join(packages)} (installed for you only as root, with apt-get)")
    with services_stay_down():
        _apt("update", "-qq")
        _apt("install", "-qq", "--yes", "--no-install-recommends", *packages)


@contextlib.contextmanager
def services_stay_down() -> Iterator[None]:
    """Within this, an installed package does not start its service; an older policy is put back after."""
    before = POLICY.read_bytes() if POLICY.exists() else None
    mode = POLICY.stat().st_mode if before is not None else 0o755
    POLICY.write_text(FORBID, encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            POLICY.unlink(missing_ok=True)
        else:
            POLICY.write_bytes(before)
            POLICY.chmod(mode)


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(f"    {line}" for line in (done.stdout + done.stderr).splitlines()[-8:])
        raise NotInstalledError(f"apt-get {' '.join(arguments)} failed:\n{last}")
