"""`python -m sandbox`: run until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
import sys

from sandbox import setting
from sandbox.app import Sandbox

STOP = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    """Serve; return the exit code: 1 when a setting is wrong or an address cannot be had."""
    # Blocked before any thread starts, so that all inherit it and the signal is waited for here, and here only.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        settings = setting.read(os.environ)
        Sandbox(settings).start()
    except setting.SettingError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"cannot listen on port {settings.port} of 127.0.0.1-3: {error.strerror or error}")
    _say(f"inbox http://{setting.PAGE_HOST}:{settings.port}/")
    _say(f"SendGrid http://{setting.SENDGRID_HOST}:{settings.port}")
    _say(f"Mailgun http://{setting.MAILGUN_HOST}:{settings.port} (domain {settings.mailgun_domain})")
    signal.sigwait(STOP)
    # Threads that hang on purpose are daemons and end with the process.
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"sandbox: {text}\n")
    sys.stdout.flush()


def _fail(text: str) -> int:
    sys.stderr.write(f"sandbox: {text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
