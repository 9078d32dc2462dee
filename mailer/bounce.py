"""Why a mailbox's server said no, in our words, from what it said."""

from __future__ import annotations

import re
from enum import StrEnum


class BounceClass(StrEnum):
    """What stood in the way.

    `blocked`: it does not take mail from our address or domain. `spam`: it did not like the content. `policy`: another
    rule of its own (authentication, rate).
    """

    MAILBOX_FULL = "mailbox_full"
    UNKNOWN_USER = "unknown_user"
    BLOCKED = "blocked"
    SPAM = "spam"
    POLICY = "policy"
    OTHER = "other"


# An enhanced status code, e.g. 5.1.1, and no part of an IP address.
_CODE = re.compile(r"(?<![\d.])[245]\.(\d{1,3}\.\d{1,3})(?!\.?\d)")

# Subject and detail, https://www.iana.org/assignments/smtp-enhanced-status-codes (RFC 3463, RFC 7505).
_BY_CODE = {
    "1.1": BounceClass.UNKNOWN_USER,  # no such mailbox
    "1.2": BounceClass.UNKNOWN_USER,  # no such host
    "1.3": BounceClass.UNKNOWN_USER,  # no address by its form
    "1.6": BounceClass.UNKNOWN_USER,  # moved away
    "1.10": BounceClass.UNKNOWN_USER,  # a domain that takes no mail
    "2.1": BounceClass.UNKNOWN_USER,  # disabled
    "2.2": BounceClass.MAILBOX_FULL,
}
_SECURITY_OR_POLICY = "7."

# Where the code says too little.
_BY_WORDS = (
    (re.compile(r"over ?quota|(mail)?box (is )?full|exceeded (its )?storage", re.IGNORECASE), BounceClass.MAILBOX_FULL),
    (re.compile(r"(unknown|no such|invalid) (user|recipient|mailbox)|user unknown|address unknown|does not exist",
                re.IGNORECASE), BounceClass.UNKNOWN_USER),
    (re.compile(r"bl(o|a)ck ?-?list|spamhaus|reputation|\bblocked\b", re.IGNORECASE), BounceClass.BLOCKED),
    (re.compile(r"\bspam", re.IGNORECASE), BounceClass.SPAM),
)  # fmt: skip


def classify(words: str, *, code: str = "") -> BounceClass:
    """Return what a server's words mean.

    Args:
        code: the enhanced status code where it is told apart from the words.
    """
    found = _CODE.search(code) or _CODE.search(words)
    subject = found[1] if found else ""
    if known := _BY_CODE.get(subject):
        return known
    for pattern, meaning in _BY_WORDS:
        if pattern.search(words):
            return meaning
    return BounceClass.POLICY if subject.startswith(_SECURITY_OR_POLICY) else BounceClass.OTHER
