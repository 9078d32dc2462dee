"""The switches over real sockets: what a caller of a failing provider sees, and what the inbox holds then."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import requests
from urllib3.exceptions import NewConnectionError, ProtocolError

from sandbox.process import Process
from tests.unit.sandbox.sending import send

PROVIDERS = ["sendgrid", "mailgun"]


def cause(error: requests.ConnectionError) -> BaseException | None:
    """Return the error beneath what requests and urllib3 wrap around it."""
    inner = error.args[0]
    return inner.args[1] if isinstance(inner, ProtocolError) else getattr(inner, "reason", None)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_refuse_closes_the_listener_of_that_provider_only(
    box: Process, session: requests.Session, provider: str
) -> None:
    other = "mailgun" if provider == "sendgrid" else "sendgrid"
    assert send(session, box, provider).ok
    box.fail(provider, mode="refuse")
    with pytest.raises(requests.ConnectionError) as refused:
        send(session, box, provider)  # the session holds a kept-alive connection from before
    assert isinstance(cause(refused.value), NewConnectionError)
    assert isinstance(getattr(cause(refused.value), "__cause__", None), ConnectionRefusedError)
    assert send(session, box, other).ok
    box.mend(provider)
    assert send(session, box, provider).ok
    assert box.count(provider=provider) == 2


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("accepts", [True, False])
def test_reset_tears_the_connection_down_without_a_byte(
    box: Process, session: requests.Session, provider: str, accepts: bool
) -> None:
    box.fail(provider, mode="reset", accepts=accepts)
    with pytest.raises(requests.ConnectionError) as torn:
        send(session, box, provider)
    # Not one of its kind: RemoteDisconnected, an orderly end without an answer, is a ConnectionResetError too.
    assert type(cause(torn.value)) is ConnectionResetError
    assert [m["answered"] for m in box.mails()] == (["reset"] if accepts else [])


def test_a_mail_that_is_invalid_is_not_taken_in_by_a_fault_that_accepts(
    box: Process, session: requests.Session
) -> None:
    box.fail("sendgrid", mode="reset")
    with pytest.raises(requests.ConnectionError):
        send(session, box, subject="")
    assert box.count() == 0


def hanging(pool: ThreadPoolExecutor, box: Process) -> Future[requests.Response]:
    """Send into a hanging provider and return once the mail is in the inbox."""
    with requests.Session() as session:
        future = pool.submit(send, session, box)
    until = time.monotonic() + 5
    while box.count() == 0:
        assert time.monotonic() < until, "the mail was not taken in"
    return future


@pytest.mark.parametrize("release", ["mended", "replaced"])
def test_hang_says_nothing_until_the_switch_is_moved(box: Process, release: str) -> None:
    box.fail("sendgrid", mode="hang")
    with ThreadPoolExecutor(1) as pool:
        future = hanging(pool, box)
        assert not future.done()
        if release == "mended":
            box.mend("sendgrid")
        else:
            box.fail("sendgrid", status=503)
        with pytest.raises(requests.ConnectionError) as closed:
            future.result(timeout=5)
    assert "closed connection without response" in str(closed.value)
    assert box.mails()[0]["answered"] == "hang"


def test_hang_outlasts_the_callers_patience(box: Process, session: requests.Session) -> None:
    box.fail("mailgun", mode="hang")
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{box.mailgun}/v3/sandbox.example/messages", timeout=0.2)


def test_hang_ends_by_itself_after_its_seconds(box: Process, session: requests.Session) -> None:
    box.fail("sendgrid", mode="hang", hang_seconds=1, accepts=False)
    with pytest.raises(requests.ConnectionError):
        send(session, box)
    assert box.count() == 0


def test_latency_delays_the_true_answer(box: Process, session: requests.Session) -> None:
    box.fail("sendgrid", latency_ms=150)
    begun = time.monotonic()
    assert send(session, box).status_code == 202
    assert time.monotonic() - begun >= 0.15
    assert send(session, box, subject="").status_code == 400


def test_trickle_gives_the_true_answer_byte_by_byte(box: Process) -> None:
    box.fail("sendgrid", mode="trickle", latency_ms=5)
    with socket.create_connection(("127.0.0.2", box.port), timeout=5) as connection:
        connection.sendall(b"GET /v3/scopes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SG.sandbox\r\n\r\n")
        pieces = [connection.recv(4096) for _ in range(20)]
    assert b"".join(pieces).startswith(b"HTTP/1.1 200 OK")
    assert max(map(len, pieces)) < 10


@pytest.mark.parametrize(
    ("provider", "status", "body"),
    [
        ("sendgrid", 401, "authorization grant is invalid"),
        ("sendgrid", 403, "does not match a verified Sender Identity"),
        ("sendgrid", 413, "<center>nginx</center>"),
        ("sendgrid", 429, "too many requests"),
        ("sendgrid", 500, "internal server error"),
        ("sendgrid", 503, "503 Service Unavailable"),
        ("mailgun", 400, "Domain sandbox.example is not allowed to send: "),
        ("mailgun", 401, "Forbidden"),
        ("mailgun", 403, "Domain sandbox.example is not allowed to send: "),
        ("mailgun", 404, "Domain not found: sandbox.example"),
        ("mailgun", 429, "request limit exceeded, try again after"),
        ("mailgun", 500, "Internal Server Error"),
        ("mailgun", 502, "502 Bad Gateway"),
    ],
)
def test_a_status_comes_with_the_providers_own_body(
    box: Process, session: requests.Session, provider: str, status: int, body: str
) -> None:
    box.fail(provider, status=status, retry_after=17)
    response = send(session, box, provider)
    assert response.status_code == status
    assert body in response.text
    assert response.headers["Retry-After"] == "17"


@pytest.mark.parametrize(("status", "taken"), [(500, 1), (502, 1), (504, 1), (503, 0), (429, 0), (401, 0)])
def test_only_the_statuses_that_leave_the_caller_in_doubt_take_the_mail_in(
    box: Process, session: requests.Session, status: int, taken: int
) -> None:
    box.fail("mailgun", status=status)
    assert send(session, box, "mailgun").status_code == status
    assert box.count() == taken


def test_a_body_of_ones_own_replaces_the_providers(box: Process, session: requests.Session) -> None:
    credits = {"errors": [{"message": "Maximum credits exceeded", "field": None, "help": None}]}
    box.fail("sendgrid", status=401, body=credits)
    assert send(session, box).json() == credits
    box.fail("sendgrid", status=503, body="<html>down</html>")
    response = send(session, box)
    assert (response.text, response.headers["Content-Type"]) == ("<html>down</html>", "text/html")


def test_times_switches_itself_off_after_that_many_hits(box: Process, session: requests.Session) -> None:
    box.fail("sendgrid", status=503, times=2)
    assert [send(session, box).status_code for _ in range(3)] == [503, 503, 202]
    assert box.faults() == {"sendgrid": None, "mailgun": None}


def test_percent_hits_about_that_share(box: Process, session: requests.Session) -> None:
    box.fail("sendgrid", status=503, percent=50)
    failures = [send(session, box).status_code for _ in range(200)].count(503)
    assert 50 < failures < 150  # seven standard deviations


def test_the_switches_survive_a_kill_and_the_hits_go_on_from_where_they_were(
    start: Callable[..., Process], session: requests.Session
) -> None:
    first = start()
    first.fail("mailgun", mode="refuse")
    first.fail("sendgrid", status=503, times=2)
    send(session, first)
    first.kill()
    second = start(port=first.port)
    with pytest.raises(requests.ConnectionError):
        send(session, second, "mailgun")
    assert [send(session, second).status_code for _ in range(2)] == [503, 202]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second_though_requests_hang(
    start: Callable[..., Process], sign: signal.Signals
) -> None:
    box = start()
    box.fail("sendgrid", mode="hang")
    with ThreadPoolExecutor(1) as pool:
        future = hanging(pool, box)
        begun = time.monotonic()
        box.signal(sign)
        assert box.stop() == 0
        assert time.monotonic() - begun < 1
        with pytest.raises(requests.ConnectionError):
            future.result(timeout=5)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({}, "status: is required with mode status"),
        ({"status": 42}, "status: must be a whole number from 200 to 599"),
        ({"status": True}, "status: must be a whole number from 200 to 599"),
        ({"mode": "explode"}, "mode: must be one of status, hang, reset, refuse, trickle, latency"),
        ({"status": 503, "percent": 0}, "percent: must be a whole number from 1 to 100"),
        ({"status": 503, "accepts": "yes"}, "accepts: must be true or false"),
        ({"status": 503, "stauts": 1}, "stauts: there is no such field"),
        ({"mode": "reset", "retry_after": 3}, "retry_after: goes with mode status only"),
        ({"mode": "trickle"}, "latency_ms: is required with mode trickle"),
        ({"mode": "refuse", "times": 3}, "times: does not go with mode refuse, which closes the listener for all"),
        ([], "a fault is a JSON object"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_with_the_reason(box: Process, fault: Any, problem: str) -> None:
    response = requests.put(f"{box.url}/api/faults/sendgrid", json=fault, timeout=5)
    assert response.status_code == 400
    assert problem in response.json()["errors"]
    assert box.faults()["sendgrid"] is None


def test_moves_from_many_sides_end_in_one_state(box: Process) -> None:
    def flip() -> None:
        for _ in range(5):
            box.fail("mailgun", mode="refuse")
            box.mend("mailgun")

    threads = [threading.Thread(target=flip) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with requests.Session() as session:
        assert send(session, box, "mailgun").ok
