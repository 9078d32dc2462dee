"""What every provider takes: the strictest of their documented limits, and a few of our own.

Sources: providers.md of the design, SendGrid's v3 OpenAPI and error catalogue, Mailgun's send API page.
Sizes are bytes unless the name says otherwise.
"""

from __future__ import annotations

# to + cc + bcc of one call, the same at both providers.
RECIPIENTS = 1_000
# The smaller of 25 MB (Mailgun) and 30 MB with base64 (SendGrid), counted as JSON with base64 to be safe at both.
MESSAGE = 25_000_000
# RFC 5322 section 2.1.1: the longest line a mail may carry, less the header's name.
SUBJECT = 900
HEADER_VALUE = 998
HEADER_NAME = 76
HEADERS = 50
# o: h: v: t: together at Mailgun are 16 KB; ids of our own and the tracking options need some of it.
OPTIONS = 14_000
TAGS = 3
TAG = 128
# Characters of a URL.
URL = 2_000
METADATA = 4_096
ATTACHMENTS = 100
REPLY_TO = 10
NAME = 255
# RFC 3696 with its erratum 1690: a path of 256 octets, less the angle brackets.
ADDRESS = 254

# Switches of the providers' own, and what they add to a mail.
RESERVED_PREFIXES = ("x-mailgun-", "x-smtpapi", "x-sg-")

# Set by the providers or by us; SendGrid's list ("Header cannot be one of the reserved keys") and the ones that
# this service writes itself, so that a failover cannot change what a recipient sees.
RESERVED_HEADERS = frozenset(
    {
        "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
        "to", "from", "subject", "reply-to", "cc", "bcc",
        "message-id", "date", "sender", "return-path", "mime-version", "x-request-id",
    }
)  # fmt: skip
