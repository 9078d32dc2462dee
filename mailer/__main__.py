"""`mailer` and `python -m mailer`: the doorbell of the command line."""

from __future__ import annotations

import sys

_ROOMS = ("mailer", "cli", "tasks")


def main() -> None:
    """Run the command line, or say what is missing for it."""
    try:
        from cli.app import main as run
    except ModuleNotFoundError as error:
        # One of ours that is missing is a fault, not an extra.
        if (error.name or "").partition(".")[0] in _ROOMS:
            raise
        sys.exit(f"mailer: the command line needs the extra `cli`, e.g. pip install '.[cli]' (no {error.name} here)")
    run()


if __name__ == "__main__":
    main()
