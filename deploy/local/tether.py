"""Runs a program that dies with its parent: `python tether.py [--signal TERM] [--user U] -- program ...`

A supervisor that is killed with SIGKILL cannot stop its children; the kernel can (Linux, PR_SET_PDEATHSIG;
elsewhere the program simply runs). The setting survives exec and is lost when the user changes, so we change
the user first.
Kept free of imports from this project: it runs as a plain file, before anything else.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import signal
import socket
import sys
import time
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def die_with_parent(number: int) -> None:
    """Asks the kernel to send us `number` when the thread that started us ends."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def become(user: str) -> None:
    """Gives up root for `user`, with nothing of root's groups left."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def wait_for(address: str, timeout: float) -> None:
    """Returns when `host:port` accepts connections; exits after `timeout` seconds."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"{address} does not answer: {error}")
            time.sleep(0.05)
        else:
            return


def main(arguments: list[str]) -> NoReturn:
    """Parses, ties, execs."""
    parser = argparse.ArgumentParser(prog="tether")
    parser.add_argument("--signal", default="KILL", help="sent when the parent dies (KILL)")
    parser.add_argument("--parent", type=int, help="pid of the parent; if it is gone already we end at once")
    parser.add_argument("--user", help="run as this user (needs root)")
    parser.add_argument("--wait-for", metavar="HOST:PORT", help="start when this accepts connections")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if options.user:
        become(options.user)
    die_with_parent(signal.Signals[f"SIG{options.signal}"])
    if options.parent and os.getppid() != options.parent:
        sys.exit("the parent ended before its child began")
    if options.wait_for:
        wait_for(options.wait_for, timeout=20)
    os.execvp(options.command[0], options.command)  # noqa: S606 - running what it is given is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
