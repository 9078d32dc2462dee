"""What can go wrong with a private service; a message is one clear line, at times with a log's tail below.

LocalError
├── NotInstalledError   the programs are missing and cannot be installed by us
├── PortInUseError      somebody else listens there
└── DidNotStartError    the program ended, or did not answer in time
"""

from __future__ import annotations


class LocalError(Exception):
    """A private service cannot do what was asked of it."""


class NotInstalledError(LocalError):
    """The programs are missing and cannot be installed by us."""


class PortInUseError(LocalError):
    """Somebody else listens on a port that we need."""


class DidNotStartError(LocalError):
    """The program ended, or did not answer in time."""
