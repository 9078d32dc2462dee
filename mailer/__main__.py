"""`python -m mailer`: the doorbell of the command line."""

from __future__ import annotations

from cli.app import main

main()
