"""A mailbox: an address and perhaps a name."""

from __future__ import annotations

import re
from typing import Annotated

import email_validator
import pydantic
from pydantic import ConfigDict, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from mailer import limits, schema
from mailer.schema import Says

# NUL breaks databases, line breaks forge headers, and half of a surrogate pair cannot be written as UTF-8 at all.
_NOT_IN_A_LINE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_NOT_IN_A_TEXT = re.compile("[\x00\ud800-\udfff]")


def one_line(value: str) -> str:
    """Return `value` if it fits in a header line, else raise."""
    if _NOT_IN_A_LINE.search(value):
        raise PydanticCustomError(
            "control_character", "may not contain line breaks, control characters or lone surrogates"
        )
    return value


def whole_text(value: str) -> str:
    """Return `value` if every character of it can be stored and sent, else raise."""
    if _NOT_IN_A_TEXT.search(value):
        raise PydanticCustomError("control_character", "may not contain NUL or lone surrogates")
    return value


def visible(value: str) -> str:
    """Return `value` if there is something to see in it, else raise."""
    if value and not value.strip():
        raise PydanticCustomError("blank", "may not be blank")
    return one_line(value)


Line = Annotated[str, pydantic.AfterValidator(one_line), Says(pattern=schema.LINE)]
Visible = Annotated[str, pydantic.AfterValidator(visible), Says(pattern=schema.VISIBLE)]
Text = Annotated[str, pydantic.AfterValidator(whole_text), Says(pattern=schema.TEXT)]


def _deliverable(value: str) -> str:
    one_line(value)
    try:
        # ASCII local parts only: neither provider promises SMTPUTF8. Domains travel in their ASCII form.
        found = email_validator.validate_email(value, check_deliverability=False, allow_smtputf8=False)
    except email_validator.EmailNotValidError as error:
        raise PydanticCustomError("address", "is not a valid email address: {why}", {"why": str(error)}) from None
    return found.ascii_email or found.normalized


def domain(value: str) -> str:
    """Return a domain in its ASCII form, in lower case, or raise."""
    try:
        return email_validator.validate_email(f"a@{value}", check_deliverability=False).ascii_domain
    except email_validator.EmailNotValidError:
        raise PydanticCustomError("domain", "is not a domain") from None


Email = Annotated[str, pydantic.AfterValidator(_deliverable), Says(format="email", maxLength=limits.ADDRESS)]


class Address(pydantic.BaseModel):
    """One mailbox.

    Attributes:
        email: the address, ASCII, its domain in lower case.
        name: what people see, None for none; never empty (SendGrid refuses an empty one).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    email: Email
    name: Annotated[Visible, Field(min_length=1, max_length=limits.NAME)] | None = None

    @property
    def key(self) -> str:
        """The address as providers compare it: without regard to case."""
        return self.email.lower()

    @property
    def domain(self) -> str:
        """The part after the `@`, in lower case."""
        return self.key.rpartition("@")[2]


# What an address may also be written as; see parse.
AddressText = Annotated[
    str,
    Says(
        pattern=schema.MAILBOX,
        format="mailbox",
        description="An address, alone or with a name before it in angle brackets.",
        examples=["bob@example.com", "Bob <bob@example.com>"],
    ),
]
AddressInput = TypeAliasType("AddressInput", AddressText | Address)


def _several() -> PydanticCustomError:
    return PydanticCustomError("address", "is not one address; give several as a list, quote a name with , or ;")


def parse(value: object) -> object:
    """Turn `a@b`, `Name <a@b>` or `"Na, me" <a@b>` into the fields of an Address; leave the rest alone."""
    if not isinstance(value, str):
        return value
    text = value.strip(" \t")
    if not text.endswith(">") or "<" not in text:
        if text.count("@") > 1 and any(c in text for c in ",;"):
            raise _several()
        return {"email": text}
    name, _, email = text[:-1].rpartition("<")
    name = name.strip(" \t")
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    elif any(c in name for c in ",;<>"):
        # Most likely several addresses in one string; guessing would mail the wrong people.
        raise _several()
    return {"email": email, "name": name} if name else {"email": email}
