"""Stand-ins for SendGrid and Mailgun, with an inbox page and fault switches. Development and tests only.

    python -m sandbox

One process listens on one port (`MAILER_SANDBOX_PORT`, 8025) of three loopback addresses: 127.0.0.1 is the
inbox page and the control API (and, for curl, both providers), 127.0.0.2 is SendGrid, 127.0.0.3 is Mailgun.

The rules are written anew from the providers' documentation and nothing here imports `mailer`: a mistake in our
reading of the contract must show as a refusal, not be made twice.
"""
