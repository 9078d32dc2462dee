"""Valid messages of every shape, for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mailer import ids
from mailer.delivery import Role
from mailer.ledger import Recipient
from mailer.message import Message
from mailer.ports import Envelope

# Whatever can stand in one header line: no control characters, no surrogates.
line = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40).filter(str.strip)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=200)
token = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_"), min_size=1, max_size=20)
filename = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=';,"/\\'), min_size=1, max_size=40
).filter(lambda name: name.strip(". "))
attachment = st.fixed_dictionaries(
    {"filename": filename, "content": st.binary(min_size=1, max_size=50)},
    optional={"content_type": st.sampled_from(["text/plain", "image/png", "application/vnd.x+json"])},
)


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the fields of a valid message."""
    count = draw(st.integers(1, 8))
    names = draw(st.lists(st.none() | line, min_size=count, max_size=count))
    people = [
        {"email": f"u{i}@{draw(st.sampled_from(['example.com', 'mail.example.org']))}"} | ({"name": n} if n else {})
        for i, n in enumerate(names)
    ]
    cut = draw(st.integers(1, count))
    cut2 = draw(st.integers(cut, count))
    body = draw(st.sampled_from([("text",), ("html",), ("text", "html")]))
    given: dict[str, Any] = {
        "from": {"email": "ann@sender.example.com"} | draw(st.just({}) | st.fixed_dictionaries({"name": line})),
        "to": people[:cut],
        "cc": people[cut:cut2],
        "bcc": people[cut2:],
        "subject": draw(line),
        "reply_to": draw(st.lists(st.sampled_from(["r@example.com", "R <s@example.com>"]), unique=True)),
        "headers": {f"X-{name}": draw(line) for name in draw(st.sets(token.map(str.lower), max_size=3))},
        "tags": sorted(draw(st.sets(token.map(str.lower), max_size=3))),
        "metadata": draw(st.dictionaries(line, text, max_size=2)),
        "attachments": draw(st.lists(attachment, max_size=3)),
    } | {name: draw(text) for name in body}
    for index, file in enumerate(given["attachments"]):
        if draw(st.booleans()):
            file["content_id"] = f"cid-{index}"
    return given


envelopes = (
    fields()
    .map(Message.build)
    .map(
        lambda m: Envelope(
            id=ids.new(),
            attempt_id=ids.new(),
            project_id="default",
            message=m,
            request_id="r",
            recipients=tuple(Recipient(Role(role), address) for role, address in m.recipients()),
        )
    )
)
