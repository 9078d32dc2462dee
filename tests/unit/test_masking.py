"""Nothing of people or keys is shown."""

from __future__ import annotations

import pytest

from mailer import masking


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to anna@example.com, please", "to a***@example.com, please"),
        ("<anna.b+c@mail.example.com>", "<a***@mail.example.com>"),
        ("{'email': 'anna@example.com'}", "{'email': 'a***@example.com'}"),
        ("postgresql://root:pa55@db.example.com/x", "postgresql://root:***@db.example.com/x"),
        ("amqp://guest:guest@127.0.0.1:5672//", "amqp://guest:***@127.0.0.1:5672//"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("SG.abcdefgh.ijklmnop", "SG.***"),
        ("key-0123456789abcdef", "key-***"),
        ("celery@host ready", "celery@host ready"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_addresses_passwords_and_keys_are_masked_and_the_rest_is_kept(text: str, shown: str) -> None:
    assert masking.text(text) == shown


def test_one_address_keeps_its_first_letter_and_its_domain() -> None:
    assert masking.address("anna@example.com") == "a***@example.com"
    assert masking.address("nothing") == "***"
