"""A file that travels with a message."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

import pydantic
from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from mailer.address import Line

# Characters that turn the direction of writing: `invoice<U+202E>fdp.exe` is shown as invoiceexe.pdf. Arabic and Hebrew
# names need none of them (Unicode TR 36).
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Attachment(pydantic.BaseModel):
    """A file that travels with a message.

    Attributes:
        filename: 1 to 255 characters; no path, and none of `; , "` (SendGrid's error catalogue).
        content_type: `type/subtype` without parameters.
        content: the bytes. On the wire standard base64; from Python also bytes as they are.
        content_id: set for an inline image, which the HTML shows as `cid:<content_id>`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    filename: Annotated[Line, Field(min_length=1, max_length=255)]
    content_type: Annotated[str, Field(max_length=127, pattern=r"^[A-Za-z0-9_!#$&^.+-]+/[A-Za-z0-9_!#$&^.+-]+$")] = (
        "application/octet-stream"
    )
    content: bytes
    content_id: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9._@+-]+$")] | None = None

    @field_validator("filename")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if found := sorted({c for c in value if c in ';,"/\\'}):
            raise PydanticCustomError("filename", f"may not contain {' '.join(found)}")
        if _TURNS.search(value):
            raise PydanticCustomError("filename", "may not contain characters that turn the direction of writing")
        if not value.strip(". "):
            raise PydanticCustomError("filename", "must name a file")
        return value

    @field_validator("content", mode="before")
    @classmethod
    def _decode(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            # Line breaks are how MIME writes base64; anything else that is not base64 is a mistake.
            return binascii.a2b_base64(value.replace("\r", "").replace("\n", "").encode(), strict_mode=True)
        except ValueError:
            raise PydanticCustomError("base64", "is not valid base64") from None

    @field_validator("content")
    @classmethod
    def _not_empty(cls, value: bytes) -> bytes:
        if not value:
            raise PydanticCustomError("empty", "may not be empty")
        return value

    @pydantic.field_serializer("content")
    def _encode(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")

    @property
    def encoded_size(self) -> int:
        """Bytes of the content as base64, which is how it travels."""
        return -(-len(self.content) // 3) * 4
