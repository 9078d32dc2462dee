"""`suppressions`: whom nobody mails, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


def test_one_is_added_listed_masked_and_lifted(run: Run) -> None:
    made = run("suppressions", "add", "Bob@Example.com", "--stream", "news", "--detail", "by phone", "--json").json
    assert (made["email"], made["stream"], made["source"], made["new"]) == ("b***@example.com", "news", "cli", True)
    assert run("suppressions", "add", "bob@example.com", "--stream", "news", "--json").json["new"] is False
    run("suppressions", "add", "eve@other.example", "--reason", "bounced")
    shown = run("suppressions", "list", "--email", "*@example.com", "--json").json["suppressions"]
    assert [s["id"] for s in shown] == [made["id"]]
    table = run("suppressions", "list").out
    assert "b***@example.com" in table
    assert "e***@other.example" in table
    assert run("suppressions", "remove", made["id"]).code == 0
    assert [s["reason"] for s in run("suppressions", "list", "--json").json["suppressions"]] == ["bounced"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "nobody"), "/email"), (("add", "a@b.example", "--project", "none"), "no project none"),
        (("add", "a@b.example", "--reason", "bounced", "--stream", "x"), "/stream"),
        (("remove", "01a20d7c-7c11-7d02-a3f0-5b7a2f6a1c9e"), "no suppression"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_clear_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("suppressions", *arguments)
    assert done.code == 1
    assert said in done.err


def test_test_messages_have_their_own(run: Run) -> None:
    run("suppressions", "add", "a@b.example", "--test")
    assert run("suppressions", "list", "--json").json == {"suppressions": []}
    assert len(run("suppressions", "list", "--test", "--json").json["suppressions"]) == 1
