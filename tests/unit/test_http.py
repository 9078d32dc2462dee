"""The transport tells *not accepted* from *unknown*: over real sockets that misbehave."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mailer.errors import TemporarilyRefused, Unanswered
from mailer.http import MAX_ANSWER, HttpTransport
from mailer.ports import HttpRequest

Behaviour = Callable[[socket.socket], None]


@contextmanager
def server(*behaviours: Behaviour) -> Iterator[str]:
    """Run a server that treats its first connections so, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for behave in behaviours:
                connection, _ = listener.accept()
                with connection:
                    behave(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v3/mail/send"
        thread.join(5)
        assert not thread.is_alive()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head


def answers(raw: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(raw)

    return behave


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees ECONNRESET."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_then_reset(connection: socket.socket) -> None:
    read_request(connection)
    reset(connection)


def reset_while_sending(connection: socket.socket) -> None:
    connection.recv(1000)
    reset(connection)


def read_then_close(connection: socket.socket) -> None:
    read_request(connection)


def hang(connection: socket.socket) -> None:
    read_request(connection)
    connection.settimeout(5)
    assert connection.recv(1) == b""  # until the client has had enough


def send(url: str, body: bytes = b'{"a":1}', *, read_timeout: float = 0.3) -> int:
    transport = HttpTransport(connect_timeout=0.3, read_timeout=read_timeout)
    return transport.send(HttpRequest("POST", url, {"Authorization": "Bearer x"}, body)).status


def test_an_answer_is_returned_whatever_its_status() -> None:
    raw = b"HTTP/1.1 418 Teapot\r\nX-Message-Id: m1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    with server(answers(raw)) as url:
        transport = HttpTransport(connect_timeout=1, read_timeout=1)
        response = transport.send(HttpRequest("POST", url, {}, b"x"))
    assert (response.status, response.body, response.headers["x-message-id"]) == (418, b"hi", "m1")


def test_a_refused_connection_is_not_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TemporarilyRefused, match="no_connection"):
        send(f"http://127.0.0.1:{port}/")


def test_a_name_that_does_not_resolve_is_not_accepted() -> None:
    with pytest.raises(TemporarilyRefused, match="no_connection"):
        send("http://nowhere.invalid/")


def test_a_connect_timeout_is_not_accepted() -> None:
    # A listener whose queue is full lets nobody else connect.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
        with pytest.raises(TemporarilyRefused, match="connect_timeout"):
            send(f"http://127.0.0.1:{port}/")
        for s in waiting:
            s.close()


def test_a_failed_tls_handshake_is_not_accepted() -> None:
    def no_tls(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"this is not TLS at all, not at all\r\n")

    with server(no_tls) as url, pytest.raises(TemporarilyRefused, match="no_connection"):
        send(url.replace("http:", "https:"))


def test_a_reset_before_the_whole_body_left_is_not_accepted() -> None:
    with server(reset_while_sending) as url, pytest.raises(TemporarilyRefused):
        send(url, b"x" * 20_000_000)


@pytest.mark.parametrize(
    ("behave", "code"), [(read_then_reset, "no_answer"), (read_then_close, "no_answer"), (hang, "read_timeout")]
)
def test_no_answer_after_the_request_left_is_unknown(behave: Behaviour, code: str) -> None:
    with server(behave) as url, pytest.raises(Unanswered, match=code):
        send(url)


def test_an_answer_cut_off_in_its_body_is_unknown() -> None:
    raw = b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf"
    with server(answers(raw)) as url, pytest.raises(Unanswered, match="no_answer"):
        send(url)


@pytest.mark.parametrize(
    "begin",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        # After these headers the connection gives its socket away to the answer.
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["length", "headers", "close", "no-length"],
)
def test_an_answer_that_trickles_is_cut_at_the_deadline_of_the_whole_call(begin: bytes) -> None:
    def trickle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(begin)
        try:
            while True:
                connection.sendall(b"x")
                threading.Event().wait(0.05)
        except OSError:
            return  # the client has had enough

    transport = HttpTransport(connect_timeout=1, read_timeout=1, total_timeout=0.5)
    begun = time.monotonic()
    with server(trickle) as url, pytest.raises(Unanswered, match="deadline"):
        transport.send(HttpRequest("POST", url, {}, b"x"))
    assert time.monotonic() - begun < 3


def test_a_connection_is_kept_for_the_next_call_and_a_finished_calls_deadline_does_not_cut_it() -> None:
    def serve_two(connection: socket.socket) -> None:
        for _ in range(2):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    transport = HttpTransport(connect_timeout=1, read_timeout=1, total_timeout=0.3)
    with server(serve_two) as url:
        assert transport.send(HttpRequest("POST", url, {}, b"x")).status == 202
        threading.Event().wait(0.4)
        assert transport.send(HttpRequest("POST", url, {}, b"x")).status == 202


def test_a_redirect_is_not_followed() -> None:
    raw = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with server(answers(raw)) as url:
        assert send(url) == 302


def test_an_endless_error_page_is_cut() -> None:
    raw = b"HTTP/1.1 413 Too Large\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n" + b"x" * 1_000_000
    with server(answers(raw)) as url:
        transport = HttpTransport(connect_timeout=1, read_timeout=1)
        assert len(transport.send(HttpRequest("POST", url, {}, b"x")).body) == MAX_ANSWER


def test_a_netrc_file_does_not_replace_our_key(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:  # noqa: PTH123 -- one line
        file.write("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("NETRC", netrc)
    seen: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with server(behave) as url:
        send(url)
    assert b"Authorization: Bearer x" in seen[0]


def test_a_question_goes_without_a_body_and_says_so_when_there_was_no_connection() -> None:
    seen: list[bytes] = []

    def note(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    transport = HttpTransport(connect_timeout=1, read_timeout=1)
    with server(note) as url:
        assert transport.send(HttpRequest("GET", url, {}, b"")).status == 200
    assert b"transfer-encoding" not in seen[0].lower()
    with pytest.raises(TemporarilyRefused, match="no_connection"):
        transport.send(HttpRequest("GET", url, {}, b""))


def test_a_request_may_have_less_time_than_the_transport() -> None:
    begun = time.monotonic()
    transport = HttpTransport(connect_timeout=5, read_timeout=5)
    with server(hang) as url, pytest.raises(Unanswered):
        transport.send(HttpRequest("POST", url, {}, b"{}", deadline=0.2))
    assert time.monotonic() - begun < 2


def test_a_transport_that_was_closed_opens_a_connection_again() -> None:
    ok = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    with server(ok, ok) as url:
        transport = HttpTransport(connect_timeout=1, read_timeout=1)
        for _ in range(2):
            assert transport.send(HttpRequest("POST", url, {}, b"{}")).status == 200
            transport.close()


def test_a_forked_process_does_not_use_its_parents_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    ok = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    kept: list[socket.socket] = []

    def keep(connection: socket.socket) -> None:
        ok(connection)
        kept.append(connection.dup())

    transport = HttpTransport(connect_timeout=1, read_timeout=0.5)
    with server(keep, ok) as url:
        assert transport.send(HttpRequest("POST", url, {}, b"{}")).status == 200
        with monkeypatch.context() as patch:
            patch.setattr("os.getpid", lambda: -1)
            assert transport.send(HttpRequest("POST", url, {}, b"{}")).status == 200
    kept[0].close()
    transport.close()
