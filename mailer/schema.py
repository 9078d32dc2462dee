"""What JSON Schema can say of rules that are written in Python: the words, for the models that keep them.

Patterns use only what ECMA-262, Python and Rust read alike, since whoever reads a schema may be written in any of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from mailer import limits

Words = dict[str, Any]

# As in mailer/address.py. Half a surrogate pair cannot be written in JSON at all.
_CONTROL = r"\u0000-\u001f\u007f"
# What str.strip() takes for white space, beside the control characters.
_BLANK = r" \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

LINE = rf"^[^{_CONTROL}]*$"
VISIBLE = rf"^[^{_CONTROL}]*[^{_CONTROL}{_BLANK}][^{_CONTROL}]*$"
TEXT = r"^[^\u0000]*$"
ASCII_VISIBLE = r"^[ -~]*[!-~][ -~]*$"
FILENAME = rf'^[^{_CONTROL};,"/\\]*[^{_CONTROL};,"/\\. ][^{_CONTROL};,"/\\]*$'

_N = r"[\r\n]*"
_B = rf"[A-Za-z0-9+/]{_N}"
# RFC 4648 with line breaks anywhere, and at least one byte in it.
BASE64 = rf"^{_N}(?:(?:{_B}){{4}})*(?:(?:{_B}){{4}}|(?:{_B}){{3}}={_N}|(?:{_B}){{2}}={_N}={_N})$"

# No more than what every address has: the rest of its grammar is `format: email`.
MAILBOX = r"^[^\u0000-\u0008\u000a-\u001f\u007f]+@[^\u0000-\u0008\u000a-\u001f\u007f]+$"

MOMENT: Words = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339 with an offset.",
    "examples": ["2030-01-01T09:00:00+01:00"],
}


class Says:
    """Beside a type: keywords that its schema has too, because code that pydantic cannot read enforces them."""

    def __init__(self, **words: Any) -> None:
        self.words = words

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Words:
        """Return the schema with these keywords; one that is None is taken out."""
        merged = {**handler(core), **self.words}
        return {name: value for name, value in merged.items() if value is not None}


class Items:
    """After a length of a list behind a BeforeValidator, where pydantic writes that of a text."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Words:
        """Return the schema with the length where its list is."""
        found = handler(core)
        words = {"minLength": "minItems", "maxLength": "maxItems"}
        lengths = {word: found.pop(name) for name, word in words.items() if name in found}
        for form in found.get("anyOf", [found]):
            if form.get("type") == "array":
                form.update(lengths)
        return found


class OrElse:
    """On a part that is looked at later: its schema says what it should be, and lets everything else pass too."""

    def __init__(self, description: str) -> None:
        self.description = description

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Words:
        """Return the schema, or else anything."""
        return {"anyOf": [handler(core), {"description": self.description}]}


class Keys:
    """On a dict whose keys have a pattern, which pydantic does not ask of every key."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Words:
        """Return the schema with the pattern among the other rules for its keys."""
        found = handler(core)
        [(pattern, values)] = found.pop("patternProperties").items()
        names = {**found.pop("propertyNames", {}), "pattern": pattern}
        return {**found, "propertyNames": names, "additionalProperties": values}


def header_name() -> str:
    """Return the pattern of a header's name that is neither reserved nor other than ASCII (RFC 9110 section 5.6.2)."""
    whole = "|".join(_any_case(name) for name in sorted(limits.RESERVED_HEADERS))
    begun = "|".join(_any_case(name) for name in limits.RESERVED_PREFIXES)
    return rf"^(?!(?:{whole})$)(?!{begun})[!#$%&'*+.^_`|~0-9A-Za-z-]+$"


def as_built(message: Words) -> Words:
    """Return the schema of what a message is built from: MAILER_FROM stands in for `from`, null counts as left out."""
    message["required"] = [name for name in message["required"] if name != "from"]
    some = [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("text", "html")]
    return _nullable(message, message["properties"].keys() - set(message["required"])) | {"anyOf": some}


def _nullable(schema: Words, names: Iterable[str]) -> Words:
    for name in names:
        was = schema["properties"][name]
        # A description and the like belong to the field, not to one of its forms.
        kept = {word: was.pop(word) for word in ("title", "description", "default", "examples") if word in was}
        forms = [form for form in (was["anyOf"] if set(was) == {"anyOf"} else [was]) if form != {"type": "null"}]
        schema["properties"][name] = {**kept, "anyOf": [*forms, {"type": "null"}]}
    return schema


def _any_case(name: str) -> str:
    # JSON Schema has no flag for it.
    return "".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in name)
