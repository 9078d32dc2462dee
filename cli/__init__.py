"""The command line: `python -m mailer`."""
