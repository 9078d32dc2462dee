"""What a user's type checker knows, and that it knows as much as the models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mailer.address import Address
from mailer.attachment import Attachment
from mailer.client.fields import AddressDict, AttachmentDict, Conditions, MessageDict, MessageFields
from mailer.message import Message
from mailer.request import MessageQuery

ROOT = Path(__file__).parents[3]


def test_a_users_program_is_checked_by_mypy_strict() -> None:
    """A mistake that mypy does not find is an unused `type: ignore`, which is an error under --strict."""
    sample = Path(__file__).with_name("sample.py")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent",
         # Other options than those of `make lint`, which would read everything anew.
         "--cache-dir=.mypy_cache/of_users", str(sample)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        (MessageFields, {"from_" if name == "sender" else name for name in Message.model_fields}),
        (MessageDict, {name for name in Message.model_fields if name != "sender"} | {"from", "from_"}),
        (Conditions, MessageQuery.model_fields.keys() - {"cursor"}),
        (AddressDict, Address.model_fields.keys()),
        (AttachmentDict, Attachment.model_fields.keys()),
    ],
)
def test_what_may_be_written_is_what_the_models_take(typed: type, names: set[str]) -> None:
    assert typed.__annotations__.keys() == set(names)
