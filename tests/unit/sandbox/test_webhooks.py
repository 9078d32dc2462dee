"""The sandbox's webhooks, as a receiver of HTTP sees them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.exceptions import InvalidSignature

from deploy.local import port
from sandbox import webhook_key
from sandbox.process import Process, StartError
from tests.browser import chromium
from tests.unit.sandbox.receiving import (
    MAILGUN_KEY,
    Receiver,
    Told,
    eventually,
    public_key,
    verify_mailgun,
    verify_sendgrid,
)
from tests.unit.sandbox.sending import send

# By local part: SendGrid's words and Mailgun's, in the order in which they come.
STORIES = {
    "anybody": ("processed delivered", "accepted delivered"),
    "bounce": ("processed bounce", "accepted failed"),
    "Bounce+7": ("processed bounce", "accepted failed"),
    "soft": ("processed deferred delivered", "accepted failed delivered"),
    "block": ("processed bounce", "accepted failed"),
    "full": ("processed bounce", "accepted failed"),
    "complaint": ("processed delivered spamreport", "accepted delivered complained"),
    "unsubscribe": ("processed delivered unsubscribe", "accepted delivered unsubscribed"),
    "open": ("processed delivered open", "accepted delivered opened"),
    "machine": ("processed delivered open", "accepted delivered opened"),
    "click": ("processed delivered click", "accepted delivered clicked"),
    "late": ("processed delivered", "accepted delivered"),
    "twice": ("processed delivered processed delivered", "accepted delivered accepted delivered"),
    "disorder": ("delivered processed", "delivered accepted"),
    "drop": ("dropped", "rejected"),
    "silent": ("", ""),
}
# What else tells them apart: of the last event, a few fields.
LAST: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "bounce": ({"type": "bounce", "status": "5.1.1"}, {"severity": "permanent", "reason": "bounce"}),
    "block": ({"type": "blocked", "status": "5.7.1"}, {"severity": "temporary", "reason": "espblock"}),
    "full": ({"type": "blocked", "status": "5.2.2"}, {"severity": "temporary"}),
    "open": ({"sg_machine_open": False}, {}),
    "machine": ({"sg_machine_open": True}, {}),
    "click": ({"url": "https://example.com/?a=1&b=2"}, {"url": "https://example.com/?a=1&b=2"}),
}
PROVIDERS = ("sendgrid", "mailgun")
BOTH = pytest.mark.parametrize("provider", PROVIDERS)


def mail(session: requests.Session, box: Process, provider: str, to: str, **more: str) -> requests.Response:
    """Send one mail with custom arguments to one recipient."""
    args = {"mailer_envelope_id": "e-1", **more}
    if provider == "mailgun":
        return send(session, box, "mailgun", to=to, **{f"v:{name}": value for name, value in args.items()})
    return send(session, box, personalizations=[{"to": [{"email": to}]}], custom_args=args)


def start_telling(directory: Path, url: str) -> Process:
    return Process(directory, environment={"MAILER_SANDBOX_WEBHOOKS": url, "MAILGUN_WEBHOOK_KEY": MAILGUN_KEY})


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("telling")


@pytest.fixture(scope="module")
def shared_receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def shared_telling(directory: Path, shared_receiver: Receiver) -> Iterator[Process]:
    with start_telling(directory, shared_receiver.url + "/") as process:
        yield process


@pytest.fixture
def telling(shared_telling: Process, session: requests.Session) -> Iterator[Process]:
    """A sandbox whose switches are all off, before and after."""
    yield shared_telling
    shared_telling.mend()
    shared_telling.disturb()


@pytest.fixture
def receiver(shared_receiver: Receiver, telling: Process) -> Receiver:
    eventually(lambda: settled(telling), 15)
    shared_receiver.told.clear()
    return shared_receiver


def settled(box: Process) -> bool:
    state = box.webhooks()
    assert state is not None
    return all(counts["waiting"] == 0 for counts in state["providers"].values())


@pytest.fixture(scope="module")
def everything(shared_telling: Process, shared_receiver: Receiver) -> list[Told]:
    """All that is told of one mail to each address at each provider, `late@` included."""
    shared_receiver.told.clear()
    with requests.Session() as session:
        for name in STORIES:
            for provider in PROVIDERS:
                assert mail(session, shared_telling, provider, f"{name}@{provider}.example.com").ok
    eventually(lambda: settled(shared_telling), 20)
    return list(shared_receiver.told)


class TestStories:
    @pytest.fixture
    def heard(self, everything: list[Told], receiver: Receiver) -> Receiver:
        receiver.told[:] = everything
        return receiver

    @BOTH
    @pytest.mark.parametrize("name", STORIES)
    def test_each_address_has_its_events_in_order(self, heard: Receiver, provider: str, name: str) -> None:
        words = heard.words(provider, f"{name}@{provider}.example.com")
        assert words == STORIES[name][provider == "mailgun"].split()

    @BOTH
    @pytest.mark.parametrize("name", LAST)
    def test_the_last_event_says_more(self, heard: Receiver, provider: str, name: str) -> None:
        last = heard.events(provider, f"{name}@{provider}.example.com")[-1]
        wanted = LAST[name][provider == "mailgun"]
        assert {field: last[field] for field in wanted} == wanted

    def test_mailgun_tells_machines_from_people(self, heard: Receiver) -> None:
        def bot(name: str) -> object:
            return heard.events("mailgun", f"{name}@mailgun.example.com")[-1]["client-info"]["bot"]

        assert (bot("open"), bool(bot("machine"))) == ("", True)

    @BOTH
    def test_twice_is_the_same_event_and_others_have_ids_of_their_own(self, heard: Receiver, provider: str) -> None:
        field = "sg_event_id" if provider == "sendgrid" else "id"
        twice = [event[field] for event in heard.events(provider, f"twice@{provider}.example.com")]
        assert twice[:2] == twice[2:]
        others = [e[field] for t in heard.told if provider in t.path for e in t.events if e[field] not in twice]
        expected = sum(len(words[0].split()) for name, words in STORIES.items() if name != "twice")
        assert len(others) == len(set(others)) == expected

    @BOTH
    def test_disorder_is_one_of_telling_and_not_of_time(self, heard: Receiver, provider: str) -> None:
        delivered, taken = heard.events(provider, f"disorder@{provider}.example.com")
        assert delivered["timestamp"] >= taken["timestamp"]

    @BOTH
    def test_late_is_ten_seconds_late(self, heard: Receiver, provider: str) -> None:
        taken, delivered = heard.events(provider, f"late@{provider}.example.com")
        assert 9 <= delivered["timestamp"] - taken["timestamp"] <= 11

    def test_every_webhook_is_signed(self, heard: Receiver, directory: Path) -> None:
        sendgrid = [told for told in heard.told if told.path == "/webhooks/sendgrid"]
        for told in sendgrid:
            verify_sendgrid(told, public_key(directory))
        tokens = [verify_mailgun(told) for told in heard.told if told.path == "/webhooks/mailgun"]
        assert sendgrid
        assert len(set(tokens)) == len(tokens) > 30

    def test_sendgrids_signature_is_of_these_very_bytes(self, heard: Receiver, directory: Path) -> None:
        told = next(told for told in heard.told if told.path == "/webhooks/sendgrid")
        other = Told(told.path, told.headers, told.body.rstrip(b"\r\n"), 204)
        with pytest.raises(InvalidSignature):
            verify_sendgrid(other, public_key(directory))


def test_sendgrid_carries_back_what_was_sent(
    telling: Process, receiver: Receiver, session: requests.Session
) -> None:  # fmt: skip
    people = [{"email": "a@example.com"}, {"email": "b@example.com"}]
    answer = send(
        session, telling, personalizations=[{"to": people}], categories=["invoice"],
        custom_args={"mailer_envelope_id": "e-1", "note": "<&>"},
    )  # fmt: skip
    eventually(lambda: len(receiver.events("sendgrid", "b@example.com")) == 2)
    told = receiver.told[0]
    event = told.events[0]
    assert [e["email"] for e in told.events] == ["a@example.com", "b@example.com"], "one batch"
    assert (event["mailer_envelope_id"], event["note"], event["category"]) == ("e-1", "<&>", "invoice")
    assert event["sg_message_id"].startswith(answer.headers["X-Message-Id"] + ".recvd")
    assert answer.headers["X-Message-Id"] in event["smtp-id"]
    assert told.body.count(b"},\r\n{") == 1
    assert told.body.endswith(b"}]\r\n")
    assert b"\\u003c\\u0026\\u003e" in told.body


def test_mailgun_carries_back_what_was_sent(telling: Process, receiver: Receiver, session: requests.Session) -> None:
    options = {"v:mailer_envelope_id": "e-1", "h:Message-Id": "<m-1@example.org>", "o:tag": "invoice"}
    send(session, telling, "mailgun", to=["a@example.com", "b@example.com"], **options)
    eventually(lambda: len(receiver.told) == 4)
    assert [len(told.events) for told in receiver.told] == [1] * 4, "one POST each"
    assert json.loads(receiver.told[0].body).keys() == {"signature", "event-data"}
    event = receiver.events("mailgun", "b@example.com")[0]
    assert event["user-variables"] == {"mailer_envelope_id": "e-1"}
    assert event["message"]["headers"]["message-id"] == "m-1@example.org"
    assert event["tags"] == ["invoice"]
    assert abs(event["timestamp"] - time.time()) < 60


def test_what_was_not_sent_tells_nothing(telling: Process, receiver: Receiver, session: requests.Session) -> None:
    assert send(session, telling, mail_settings={"sandbox_mode": {"enable": True}}).status_code == 200
    assert send(session, telling, "mailgun", **{"o:testmode": "yes"}).status_code == 200
    assert send(session, telling, subject="").status_code == 400
    telling.fail("mailgun", status=503)
    assert send(session, telling, "mailgun").status_code == 503
    telling.mend()
    for provider in PROVIDERS:
        mail(session, telling, provider, "drop@example.com")
    eventually(lambda: len(receiver.told) == 2)
    assert settled(telling)
    assert [told.events[0]["event"] for told in receiver.told if "sendgrid" in told.path] == ["dropped"]


@BOTH
def test_the_events_api_knows_what_mailguns_webhooks_told(
    telling: Process, receiver: Receiver, session: requests.Session, provider: str
) -> None:
    telling.clear()
    mail(session, telling, provider, "complaint@example.com")
    eventually(lambda: len(receiver.events(provider, "complaint@example.com")) == 3)
    url = f"{telling.mailgun}/v3/sandbox.example/events"
    found = session.get(url, params={"ascending": "yes"}, auth=("api", "key-sandbox"), timeout=5).json()["items"]
    assert found == (receiver.events("mailgun", "complaint@example.com") if provider == "mailgun" else [])


def test_the_events_api_finds_the_one_bounce_behind_many_mails(
    telling: Process, receiver: Receiver, session: requests.Session
) -> None:
    telling.clear()
    mail(session, telling, "mailgun", "bounce@example.com")
    for _ in range(301):
        mail(session, telling, "mailgun", "silent@example.com")
    eventually(lambda: len(receiver.told) == 2)
    url = f"{telling.mailgun}/v3/sandbox.example/events"
    query = {"event": "failed", "limit": "1"}
    found = session.get(url, params=query, auth=("api", "key-sandbox"), timeout=5).json()["items"]
    assert [event["recipient"] for event in found] == ["bounce@example.com"]


class TestSwitch:
    def test_held_back_and_then_sent(self, telling: Process, receiver: Receiver, session: requests.Session) -> None:
        telling.disturb(hold=True)
        mail(session, telling, "sendgrid", "bob@example.com")
        mail(session, telling, "mailgun", "bob@example.com")
        time.sleep(0.8)
        state = telling.webhooks()
        assert receiver.told == []
        assert state is not None
        assert [counts["waiting"] for counts in state["providers"].values()] == [2, 2]
        telling.disturb()
        eventually(lambda: settled(telling))
        assert receiver.words("sendgrid", "bob@example.com") == ["processed", "delivered"]
        assert receiver.words("mailgun", "bob@example.com") == ["accepted", "delivered"]

    @BOTH
    def test_lost_is_never_told(
        self, telling: Process, receiver: Receiver, session: requests.Session, provider: str
    ) -> None:
        telling.disturb(lost=True)
        mail(session, telling, provider, "bounce@example.com")
        telling.disturb()
        mail(session, telling, provider, "bob@example.com")
        eventually(lambda: settled(telling) and len(receiver.events(provider, "bob@example.com")) == 2)
        assert receiver.events(provider, "bounce@example.com") == []

    @BOTH
    def test_shuffled_and_doubled(
        self, telling: Process, receiver: Receiver, session: requests.Session, provider: str
    ) -> None:
        telling.disturb(hold=True, shuffled=True, doubled=True)
        for n in range(20):
            mail(session, telling, provider, f"bob+{n}@example.com")
        time.sleep(1.6)
        telling.disturb(shuffled=True, doubled=True)
        eventually(lambda: settled(telling))
        events = [event for told in receiver.told for event in told.events]
        ids = [event.get("sg_event_id") or event["id"] for event in events]
        assert (len(ids), len(set(ids))) == (80, 40)
        assert [event["event"] for event in events] != sorted(event["event"] for event in events)

    def test_what_is_no_switch_is_refused(self, telling: Process, session: requests.Session) -> None:
        for wrong, said in (({"held": True}, "held"), ({"hold": 1}, "hold"), ([], "object")):
            answer = session.put(f"{telling.url}/api/webhooks", json=wrong, timeout=5)
            assert answer.status_code == 400
            assert said in answer.json()["errors"][0]
        assert session.put(f"{telling.url}/api/webhooks", data="{", timeout=5).status_code == 400


@BOTH
@pytest.mark.parametrize("status", [503, 401, 302])
def test_what_is_not_taken_comes_again(
    tmp_path: Path, session: requests.Session, provider: str, status: int
) -> None:  # fmt: skip
    with Receiver(answers=[status, status]) as receiver, start_telling(tmp_path, receiver.url) as box:
        mail(session, box, provider, "bob@example.com")
        eventually(lambda: len(receiver.events(provider, "bob@example.com")) == 2)
        refused = [told for told in receiver.told if told.status == status]
        assert len(refused) == 2
        words = STORIES["anybody"][provider == "mailgun"].split()
        assert sorted(receiver.words(provider, "bob@example.com")) == sorted(words)


def test_mailgun_takes_406_for_an_end_and_sendgrid_does_not(tmp_path: Path, session: requests.Session) -> None:
    with Receiver(answers=[406]) as receiver, start_telling(tmp_path, receiver.url) as box:
        mail(session, box, "mailgun", "bob@example.com")
        eventually(lambda: settled(box))
        assert receiver.words("mailgun", "bob@example.com") == ["delivered"]
    with Receiver(answers=[406]) as receiver, start_telling(tmp_path, receiver.url) as box:
        mail(session, box, "sendgrid", "bob@example.com")
        eventually(lambda: settled(box))
        assert sorted(receiver.words("sendgrid", "bob@example.com")) == ["delivered", "processed"]


def test_nothing_is_lost_while_nobody_listens(tmp_path: Path, session: requests.Session) -> None:
    number = port.free_port()
    with start_telling(tmp_path, f"http://127.0.0.1:{number}") as box:
        began = time.monotonic()
        for n in range(20):
            mail(session, box, "sendgrid", f"bob+{n}@example.com")
            mail(session, box, "mailgun", f"bob+{n}@example.com")
        assert time.monotonic() - began < 2, "who sends mails does not wait for webhooks"
        time.sleep(1)
        with Receiver(number) as receiver:
            eventually(lambda: settled(box))
            assert all(len(receiver.events(p, f"bob+{n}@example.com")) == 2 for n in range(20) for p in PROVIDERS)


def test_without_an_address_nothing_is_sent_and_no_key_is_made(tmp_path: Path, session: requests.Session) -> None:
    with Process(tmp_path, environment={"MAILER_SANDBOX_WEBHOOKS": ""}) as box:
        assert mail(session, box, "sendgrid", "bob@example.com").ok
        assert box.webhooks() is None
    assert not (tmp_path / "sandbox" / webhook_key.SENDGRID_FILE).exists()


def test_a_wrong_address_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="MAILER_SANDBOX_WEBHOOKS"):
        start_telling(tmp_path, "localhost:8000")


def test_keys_are_kept_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    made = (webhook_key.sendgrid_public(tmp_path), webhook_key.mailgun(tmp_path))
    assert made == (webhook_key.sendgrid_public(tmp_path), webhook_key.mailgun(tmp_path))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert {path.name for path in tmp_path.iterdir()} == {webhook_key.SENDGRID_FILE, webhook_key.MAILGUN_FILE}


def test_the_page_moves_the_switch(telling: Process, receiver: Receiver) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(telling.url)
        page.get_by_label("How webhooks are sent").select_option(label="Hold back")
        eventually(lambda: (telling.webhooks() or {})["hold"] is True)
        page.get_by_label("How webhooks are sent").select_option(label="As they come")
        eventually(lambda: (telling.webhooks() or {})["hold"] is False)
