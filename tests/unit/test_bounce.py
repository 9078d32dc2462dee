"""A server's words have one meaning."""

from __future__ import annotations

import pytest

from mailer.bounce import BounceClass, classify


@pytest.mark.parametrize(
    ("code", "words", "meaning"),
    [
        ("5.1.1", "", BounceClass.UNKNOWN_USER),
        ("5.1.10", "null MX", BounceClass.UNKNOWN_USER),
        ("5.2.1", "disabled", BounceClass.UNKNOWN_USER),
        ("4.2.2", "", BounceClass.MAILBOX_FULL),
        ("5.7.1", "", BounceClass.POLICY),
        ("5.7.26", "unauthenticated", BounceClass.POLICY),
        ("5.7.1", "looks like spam", BounceClass.SPAM),
        ("5.7.1", "Client host blocked using zen.spamhaus.org", BounceClass.BLOCKED),
        ("5.0.0", "500 unknown recipient", BounceClass.UNKNOWN_USER),
        ("5.0.0", "550 Mailbox is full", BounceClass.MAILBOX_FULL),
        ("", "552 5.2.2 The email account is over quota", BounceClass.MAILBOX_FULL),
        ("", "550-5.1.1 The email account does not exist.", BounceClass.UNKNOWN_USER),
        ("", "smtp; 550 Address unknown", BounceClass.UNKNOWN_USER),
        ("", "connection to 10.5.1.1 timed out", BounceClass.OTHER),
        ("", "connection to 5.1.1.10 timed out", BounceClass.OTHER),
        ("5.1.1", "spamhaus is full, it is blocked", BounceClass.UNKNOWN_USER),
        ("", "", BounceClass.OTHER),
    ],
)
def test_the_code_decides_and_where_it_says_too_little_the_words_do(
    code: str, words: str, meaning: BounceClass
) -> None:
    assert classify(words, code=code) is meaning
