"""`python -m deploy.local.install`: what `make test` needs besides Python packages, installed if we are root.

RabbitMQ and PostgreSQL for the integration tests (their services are not started, the tests start private ones),
Chromium for the pages, libfaketime for clocks that jump, Spectral for the API's description.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from deploy.local import apt, postgres, rabbitmq, spectral
from deploy.local.error import LocalError, NotInstalledError


def missing() -> list[str]:
    """The Debian packages that are not there."""
    packages: list[str] = []
    if not rabbitmq.installed():
        packages += rabbitmq.PACKAGES
    if not postgres.installed():
        packages += postgres.PACKAGES
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        packages.append("chromium")
    if not list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")):
        packages.append("libfaketime")
    return packages


def main() -> int:
    """Exit code 1, with one line, if something is missing and cannot be installed."""
    packages = missing()
    if not packages:
        return _lint()
    print(f"installing {' '.join(packages)} (apt-get; no service is started) ...", flush=True)
    try:
        apt.install(packages)
    except NotInstalledError as error:
        print(f"make test: {error}", file=sys.stderr)
        return 1
    return _lint()


def _lint() -> int:
    """Go on without the linter where it cannot be had: a machine without npm's registry still has all other tests."""
    try:
        spectral.install()
    except LocalError as error:
        print(f"make test: no Spectral, its test is skipped: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
