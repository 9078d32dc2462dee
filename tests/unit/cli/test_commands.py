"""trace, stuck and replay as an operator runs them: what they print, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mailer import clock, ids
from mailer.delivery import EnvelopeInput, EnvelopeStatus
from mailer.outcome import Outcome
from mailer.store import Store
from tests.unit.cli.conftest import Done
from tests.unit.store.test_desk import bury, rested
from tests.unit.store.test_store import stored

I = EnvelopeInput  # noqa: E741 -- a table is read more easily in single letters
Run = Callable[..., Done]


def status(store: Store, id: str) -> EnvelopeStatus:
    return store.load([id])[id].status


# trace


def test_trace_tells_the_story_with_addresses_masked(store: Store, run: Run) -> None:
    work = rested(store, I.FAIL, Outcome.REJECTED, status_code=400, error_code="400", error="bad bob@example.com")
    done = run("trace", work.id)
    assert done.code == 0
    assert "+0.0 s  accepted" in done.out
    assert "1. sendgrid rejected 400" in done.out
    assert "rests as failed" in done.out
    assert "bob@example.com" not in done.out
    document = run("trace", work.id, "--json").json
    assert document["messages"][0]["attempts"][0]["outcome"] == "rejected"
    assert [line["kind"] for line in document["messages"][0]["timeline"]] == ["accepted", "attempt", "rests"]
    assert "bob@" not in str(document)


def test_trace_of_a_request_shows_so_many_and_says_how_many_more(store: Store, run: Run) -> None:
    for _ in range(3):
        stored(store, request_id="shop-1")
    done = run("trace", "shop-1", "--limit", "2")
    assert (done.code, done.out.count("accepted 2026")) == (0, 2)
    assert "and 1 more message of" in done.out


def test_trace_of_a_dead_call_says_how_to_replay_it_and_shows_nothing_of_the_mail(store: Store, run: Run) -> None:
    id = bury(store, call={"to": ["bob@example.com"], "subject": "A secret"})
    done = run("trace", id)
    assert (done.code, f"replay --dead --id {id}" in done.out) == (0, True)
    assert "A secret" not in done.out + run("trace", id, "--json").out


def test_trace_of_an_unknown_id_ends_with_1(run: Run) -> None:
    done = run("trace", ids.new())
    assert (done.code, done.out) == (1, "")
    assert "nothing is known" in done.err
    assert run("trace", "no such request", "--json").json == {"messages": [], "dead_calls": [], "more": 0}


# stuck


def test_stuck_ends_with_0_while_everything_moves(store: Store, run: Run) -> None:
    now = clock.now()
    stored(store, created_at=now, wake_at=now + timedelta(seconds=60))
    done = run("stuck")
    assert (done.code, "nothing stands still" in done.out, "1 under way" in done.out) == (0, True, True)


def test_stuck_names_what_nobody_woke_and_ends_with_1(store: Store, run: Run) -> None:
    work = stored(store)
    done = run("stuck")
    assert done.code == 1
    assert "nobody woke it" in done.out
    assert work.id in done.out
    document = run("stuck", "--json", "--limit", "0").json
    assert (document["ok"], document["examples"]) == (False, [])
    assert [(s["kind"], s["count"], s["wrong"]) for s in document["standstills"]] == [("overdue", 1, True)]


def test_stuck_ends_with_1_for_what_needs_a_person(store: Store, run: Run) -> None:
    rested(store, I.GIVE_UP, Outcome.UNKNOWN)
    assert (run("stuck").code, "needs a person" in run("stuck").out) == (1, True)


# replay


def test_replay_shows_the_plan_and_does_it_with_yes(store: Store, run: Run) -> None:
    work = rested(store, I.FAIL, Outcome.REJECTED, error_code="400")
    doubtful = rested(store, I.GIVE_UP, Outcome.UNKNOWN)
    done = run("replay", "--status", "failed", "--status", "unknown", "--yes", "--reason", "the template is mended")
    assert done.code == 0
    assert "1 message would be sent again" in done.out
    assert "1 more are left out" in done.out
    assert (status(store, work.id), status(store, doubtful.id)) == (EnvelopeStatus.QUEUED, EnvelopeStatus.UNKNOWN)
    assert "the template is mended" in run("trace", work.id).out
    assert run("replay", "--all", "--allow-duplicates", "--yes", "--json").json["replayed"] == 1
    assert status(store, doubtful.id) is EnvelopeStatus.QUEUED


def test_a_dry_run_changes_nothing(store: Store, run: Run) -> None:
    work = rested(store, I.GIVE_UP, Outcome.UNKNOWN)
    done = run("replay", "--all", "--allow-duplicates", "--dry-run")
    assert (done.code, "1 of them may arrive twice" in done.out) == (0, True)
    document = run("replay", "--all", "--dry-run", "--json").json
    assert (document["total"], document["plan"]["left_out"], document["replayed"]) == (0, 1, 0)
    assert status(store, work.id) is EnvelopeStatus.UNKNOWN


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["--yes"], ["--all"], ["--status", "failed"], ["--status", "accepted", "--yes"],
        ["--all", "--status", "failed", "--yes"], ["--since", "yesterday", "--yes"],
        ["--since", "2026-11-24T12:00:00", "--yes"], ["--dead", "--status", "failed", "--yes"],
        ["--dead", "--allow-duplicates", "--yes"], ["--limit", "3", "--yes"], ["--all", "--limit", "0", "--yes"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_changes_nothing(store: Store, run: Run, arguments: list[str]) -> None:
    work = rested(store, I.FAIL)
    done = run("replay", *arguments)
    assert (done.code, done.out) == (2, "")
    assert status(store, work.id) is EnvelopeStatus.FAILED


def test_a_time_may_be_a_span_or_rfc_3339(store: Store, run: Run) -> None:
    rested(store, I.FAIL, at=clock.now() - timedelta(hours=3))
    since = (clock.now() - timedelta(hours=4)).isoformat()

    def total(*times: str) -> int:
        found: int = run("replay", "--dry-run", "--json", *times).json["total"]
        return found

    assert [total("--since", "2h"), total("--since", "4h"), total("--since", since)] == [0, 1, 1]
    assert [total("--until", "2h"), total("--until", "4h")] == [1, 0]


def test_dead_calls_are_published_again_and_gone(store: Store, run: Run, environment: dict[str, Any]) -> None:
    environment["MAILER_FROM"] = "ann@sender.example.com"
    call = {"to": [{"email": "bob@example.com"}], "subject": "s", "text": "t", "from": {"email": "ann@example.com"}}
    good, bad = bury(store, call=call), bury(store, call={"raw": "not ours"})
    plan = run("replay", "--dead", "--dry-run")
    assert (plan.code, "2 calls would be published again" in plan.out) == (0, True)
    done = run("replay", "--dead", "--yes")
    assert done.code == 1, "one of them is not valid"
    assert f"kept: {bad}" in done.out
    assert run("trace", good).code == 1
    assert run("trace", bad).code == 0


def test_a_database_that_is_down_is_one_clear_line(run: Run, environment: dict[str, str]) -> None:
    environment["DATABASE_URL"] = "postgresql://user:secret@127.0.0.1:9/mail"
    for command in (["trace", ids.new()], ["stuck"], ["replay", "--all", "--yes"]):
        done = run(*command)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert "secret" not in done.err
        assert list(run(*command, "--json").json) == ["error"]


def test_a_setting_that_cannot_be_read_is_named(run: Run, environment: dict[str, str]) -> None:
    environment["MAILER_SWEEP_BATCH"] = "many"
    done = run("stuck")
    assert (done.code, "MAILER_SWEEP_BATCH" in done.err) == (1, True)
    assert "MAILER_SWEEP_BATCH" in run("doctor").out
