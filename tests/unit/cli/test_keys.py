"""`keys` and `projects`: who may use the API, given out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailer import api_key, bootstrap
from mailer.resource import Scope

Run = Callable[..., Any]


def test_a_key_is_printed_once_and_found_by_it(run: Run) -> None:
    made = run(
        "keys", "create", "shop", "--scope", "send", "--scope", "read", "--expires", "30d", "--rate", "60/minute"
    )
    token = made.out.splitlines()[0]
    assert made.code == 0
    found = bootstrap.keyring().find(token)
    assert found is not None
    assert (found.name, found.project_id, found.scopes, found.rate) == (
        "shop", "default", frozenset({Scope.SEND, Scope.READ}), "60/minute",
    )  # fmt: skip
    assert token not in run("keys", "list").out
    assert found.prefix in run("keys", "list").out


def test_a_revoked_key_is_shown_as_such(run: Run) -> None:
    made = run("keys", "create", "shop", "--scope", "send", "--test", "--json").json
    assert made["key"].startswith("mlr_test_")
    assert run("keys", "revoke", api_key.prefix_of(made["key"])).code == 0
    [shown] = run("keys", "list", "--json").json["keys"]
    assert (shown["id"], shown["test"]) == (made["id"], True)
    assert shown["revoked_at"] is not None
    assert bootstrap.keyring().find(made["key"]) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "k", "--scope", "send", "--project", "nobody"), "no project nobody"),
        (("create", "k", "--scope", "send", "--network", "10.0.0.1/8"), "/networks/0"),
        (("create", "k", "--scope", "send", "--rate", "much"), "/rate"),
        (("create", "k", "--scope", "send", "--from-domain", "not a domain"), "/from_domains/0"),
        (("revoke", "nothing"), "no key nothing"),
    ],
)
def test_what_is_wrong_is_one_clear_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("keys", *arguments)
    assert done.code == 1
    assert said in done.err
    assert run("keys", "list", "--json").json == {"keys": []}


def test_a_project_has_keys_of_its_own_and_rules(run: Run) -> None:
    assert run("projects", "create", "shop", "--from-domain", "Shop.example").code == 0
    assert run("projects", "create", "shop").code == 1
    assert run("projects", "create", "a b").code == 1
    token = run("keys", "create", "k", "--scope", "send", "--project", "shop").out.splitlines()[0]
    found = bootstrap.keyring().find(token)
    assert found is not None
    assert (found.project_id, found.may_send_from("shop.example"), found.may_send_from("b.example")) == (
        "shop", True, False,
    )  # fmt: skip
    assert run("projects", "change", "shop").code == 2, "by mistake nobody takes a limit away"
    assert run("projects", "change", "shop", "--any-domain").code == 0
    assert {p["id"]: p["from_domains"] for p in run("projects", "list", "--json").json["projects"]} == {
        "default": [], "shop": [],
    }  # fmt: skip
    assert run("projects", "change", "nobody", "--any-domain").code == 1
