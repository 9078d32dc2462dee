"""The transport of callbacks: over real sockets and real TLS that misbehave, and resolvers that lie."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook

from mailer import deadline
from mailer.callback import Fault, Secret, Told, headers
from mailer.callback_http import MAX_ANSWER, CallbackTransport, resolve
from mailer.errors import ForbiddenDestination
from tests.unit.test_destination import FORBIDDEN, FORBIDDEN_ADDRESSES

# What a server does with a connection; what it was asked goes to the second.
Behaviour = Callable[[socket.socket, "Server"], None]

NAME = "hooks.example.com"
BODY = b'{"type":"message.delivered"}'
TLS = ssl.create_default_context()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """What one server was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[tuple[bytes, bytes]] = []


@contextmanager
def server(
    *behaviours: Behaviour, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Run a server that treats its first connections so, one after the other; it may end without having been asked."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        seen = Server(listener.getsockname()[1])

        def serve() -> None:
            for behave in behaviours:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # nobody came
                with connection:
                    connection.settimeout(10)
                    try:
                        if tls is None:
                            behave(connection, seen)
                        else:
                            with tls.wrap_socket(connection, server_side=True) as secure:
                                behave(secure, seen)
                    except OSError:
                        continue  # the client has had enough

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield seen
        # Wakes the one that waits in accept.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        assert not thread.is_alive()


def read_request(connection: socket.socket, seen: Server) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("no request")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    seen.requests.append((head, body))


def answers(*raw: bytes) -> Behaviour:
    """Answer so many requests on one connection."""

    def behave(connection: socket.socket, seen: Server) -> None:
        for answer in raw:
            read_request(connection, seen)
            connection.sendall(answer)

    return behave


def reset(connection: socket.socket, seen: Server) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_then_reset(connection: socket.socket, seen: Server) -> None:
    read_request(connection, seen)
    reset(connection, seen)


def read_then_close(connection: socket.socket, seen: Server) -> None:
    read_request(connection, seen)


def hang(connection: socket.socket, seen: Server) -> None:
    read_request(connection, seen)
    assert connection.recv(1) == b""  # until the client has had enough


def trickles(begin: bytes) -> Behaviour:
    def behave(connection: socket.socket, seen: Server) -> None:
        read_request(connection, seen)
        connection.sendall(begin)
        while True:
            connection.sendall(b"x")
            threading.Event().wait(0.05)

    return behave


class Resolver:
    """Gives the answers in turn, the last one for ever; counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, name: str) -> Sequence[str]:
        assert name == NAME
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return answer


def here(*ports: int, **options: object) -> CallbackTransport:
    """Return a transport with the development switch on, which NAME leads to this machine with."""
    given = {"timeout": 2.0, "resolve": Resolver(["127.0.0.1"]), "ports": frozenset(ports), **options}
    return CallbackTransport(localhost=True, **given)  # type: ignore[arg-type]


def post(transport: CallbackTransport, url: str) -> Told:
    return transport.post(url, {"x-test": "1"}, BODY)


def plain(seen: Server) -> str:
    return f"http://127.0.0.1:{seen.port}/hooks?a=b"


class Authority:
    """A certificate authority of this session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        self._root = self._signed(self._name, self._key, [], days=1)
        self.client = ssl.create_default_context(cadata=self._root.public_bytes(serialization.Encoding.PEM).decode())

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """Return what a server with a certificate for these names and addresses uses."""
        key = ec.generate_private_key(ec.SECP256R1())
        found: list[x509.GeneralName] = []
        for name in names:
            try:
                found.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                found.append(x509.DNSName(name))
        certificate = self._signed(x509.Name([]), key, found, days=days)
        path = self._folder / f"{names[0].replace(':', '_')}{days}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName], *, days: int
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Give what connections were tried to, instead of trying them: these addresses are other people's."""
    tried: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    return tried


def test_a_signed_callback_arrives_as_it_was_signed() -> None:
    key = Secret.new()
    signed = headers([key], id="evt-1", at=datetime.now(UTC), body=BODY)
    with server(answers(OK)) as seen:
        told = here().post(plain(seen), signed, BODY)
    assert told.ok
    assert (told.status, told.excerpt, told.error, told.retry_after) == (200, "ok", None, None)
    [(head, body)] = seen.requests
    first, *lines = head.decode().split("\r\n")
    sent = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert first == "POST /hooks?a=b HTTP/1.1"
    assert sent["host"] == f"127.0.0.1:{seen.port}"
    assert sent["content-length"] == str(len(BODY))
    assert Webhook(key.text).verify(body, sent) == {"type": "message.delivered"}
    assert "cookie" not in sent
    assert "authorization" not in sent


@pytest.mark.parametrize(("status", "ok"), [(200, True), (201, True), (202, True), (204, True), (400, False)])
def test_2xx_is_a_yes(status: int, ok: bool) -> None:
    with server(answers(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)) as seen:
        told = post(here(), plain(seen))
    assert (told.status, told.ok, told.error) == (status, ok, None)


def test_gone_is_told_apart() -> None:
    with server(answers(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")) as seen:
        told = post(here(), plain(seen))
    assert told.gone
    assert not told.ok


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120), ("0", 0), ("86401", 86_400), ("9" * 40, 86_400), ("-1", None), ("soon", None),
        ("Tue, 24 Nov 2026 12:10:00 GMT", 600), ("Wed, 24 Nov 2027 12:00:00 GMT", 86_400),
    ],
)  # fmt: skip
def test_how_long_an_endpoint_wants_to_be_left_alone_is_told_up_to_a_day(said: str, seconds: float | None) -> None:
    raw = f"HTTP/1.1 503 X\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode()
    with server(answers(raw)) as seen:
        told = post(here(now=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC)), plain(seen))
    assert (told.status, told.retry_after) == (503, seconds)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_a_failure_and_nobody_goes_there(status: int) -> None:
    with server(answers(OK)) as inside:
        raw = b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % (status, inside.port)
        with server(answers(raw)) as seen:
            told = post(here(), plain(seen))
    assert (told.status, told.error, told.ok) == (status, Fault.REDIRECTED, False)
    assert inside.requests == []


# -- Where it leads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "_"), FORBIDDEN)
def test_a_url_that_may_not_be_registered_is_not_called_either(url: str, _: str) -> None:
    def never(name: str) -> Sequence[str]:
        raise AssertionError(name)

    assert post(CallbackTransport(tls=TLS, resolve=never), url).error is Fault.FORBIDDEN_ADDRESS


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
@pytest.mark.parametrize("beside", [[], ["8.8.8.8"]], ids=["alone", "beside a public one"])
def test_a_name_that_leads_inside_is_not_connected_to(
    address: str, beside: list[str], dialled: list[tuple[str, int]]
) -> None:
    transport = CallbackTransport(tls=TLS, resolve=Resolver([*beside, address]))
    assert post(transport, f"https://{NAME}/").error is Fault.FORBIDDEN_ADDRESS
    assert dialled == []


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked(dialled: list[tuple[str, int]]) -> None:
    resolver = Resolver(["93.184.215.14"], ["127.0.0.1"])
    transport = CallbackTransport(tls=TLS, resolve=resolver)
    assert post(transport, f"https://{NAME}/").error is Fault.NO_CONNECTION
    assert dialled == [("93.184.215.14", 443)]
    assert resolver.asked == 1
    # The next call asks again, and sees what has changed.
    assert post(transport, f"https://{NAME}/").error is Fault.FORBIDDEN_ADDRESS
    assert len(dialled) == 1


def test_a_line_that_was_cut_goes_back_to_the_address_that_was_checked(authority: Authority) -> None:
    tls = authority.server(NAME)
    with (
        server(answers(OK), answers(OK), tls=tls) as checked,
        server(answers(OK), host="127.0.0.2", port=checked.port, tls=tls) as other,
    ):
        resolver = Resolver(["127.0.0.1"], ["127.0.0.2"])
        transport = here(checked.port, tls=authority.client, resolve=resolver)
        with transport.line(f"https://{NAME}:{checked.port}/") as line:
            for _ in range(2):
                assert line.post({}, BODY).ok
                line.close()
    assert (len(checked.requests), len(other.requests), resolver.asked) == (2, 0, 1)


def test_the_addresses_of_a_name_are_tried_in_turn(authority: Authority) -> None:
    with server(answers(OK), tls=authority.server(NAME)) as seen:
        transport = here(seen.port, tls=authority.client, resolve=Resolver(["127.0.0.2", "::1", "127.0.0.1"]))
        assert post(transport, f"https://{NAME}:{seen.port}/").ok


def test_the_development_switch_is_what_opens_this_machine(dialled: list[tuple[str, int]]) -> None:
    transport = CallbackTransport(tls=TLS)
    for host in ("127.0.0.1", "localhost", "[::1]"):
        for scheme in ("http", "https"):
            assert post(transport, f"{scheme}://{host}:443/").error is Fault.FORBIDDEN_ADDRESS
    assert dialled == []


@pytest.mark.parametrize(("host", "address"), [("localhost", "127.0.0.1"), ("localhost", "::1"), ("[::1]", "::1")])
def test_with_it_localhost_is_both_of_its_addresses_without_a_resolver(host: str, address: str) -> None:
    with server(answers(OK), host=address) as seen:
        transport = here(resolve=Resolver())
        assert post(transport, f"http://{host}:{seen.port}/").ok


def test_proxies_and_netrc_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login evil password evil\n")
    with server(answers(OK)) as proxy, server(answers(OK)) as seen:
        monkeypatch.setenv("NETRC", f"{tmp_path}/netrc")
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(here(), plain(seen)).ok
    assert proxy.requests == []
    assert b"authorization" not in seen.requests[0][0].lower()


def test_a_cookie_is_not_kept() -> None:
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    with server(answers(raw, raw)) as seen, here().line(plain(seen)) as line:
        assert line.post({}, BODY).ok
        assert line.post({}, BODY).ok
    assert b"cookie" not in seen.requests[1][0].lower()


def test_the_resolver_is_asked_for_the_name_and_no_search_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert resolve(NAME) == ["8.8.8.8"]
    assert asked == [f"{NAME}."]


# -- TLS ---------------------------------------------------------------------------------------------------------------


def test_the_certificate_is_checked_for_the_name_whatever_the_address(authority: Authority) -> None:
    tls = authority.server(NAME)
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    with server(answers(OK), tls=tls) as seen:
        told = post(here(seen.port, tls=authority.client), f"https://{NAME}:{seen.port}/x")
    assert told.ok
    assert names == [NAME]
    assert f"Host: {NAME}:{seen.port}".lower().encode() in seen.requests[0][0].lower()


@pytest.mark.parametrize("names", [["other.example.com"], ["127.0.0.1"], ["example.com"]])
def test_a_certificate_for_another_name_is_refused(authority: Authority, names: list[str]) -> None:
    with server(answers(OK), tls=authority.server(*names)) as seen:
        told = post(here(seen.port, tls=authority.client), f"https://{NAME}:{seen.port}/")
    assert (told.status, told.error, seen.requests) == (None, Fault.TLS, [])


@pytest.mark.parametrize(("names", "error"), [(["127.0.0.1"], None), (["127.0.0.2"], Fault.TLS), ([NAME], Fault.TLS)])
def test_of_an_address_in_the_url_the_certificate_must_name_that(
    authority: Authority, names: list[str], error: Fault | None
) -> None:
    with server(answers(OK), tls=authority.server(*names)) as seen:
        assert post(here(tls=authority.client), f"https://127.0.0.1:{seen.port}/").error is error


def test_a_certificate_that_is_over_is_refused(authority: Authority) -> None:
    with server(answers(OK), tls=authority.server(NAME, days=-1)) as seen:
        assert post(here(seen.port, tls=authority.client), f"https://{NAME}:{seen.port}/").error is Fault.TLS


def test_a_certificate_of_nobody_is_refused_by_default(authority: Authority) -> None:
    with server(answers(OK), tls=authority.server(NAME)) as seen:
        assert post(here(seen.port), f"https://{NAME}:{seen.port}/").error is Fault.TLS


def test_what_does_not_speak_tls_is_told(authority: Authority) -> None:
    def no_tls(connection: socket.socket, seen: Server) -> None:
        connection.recv(1000)
        connection.sendall(b"this is not TLS at all, not at all\r\n")

    with server(no_tls) as seen:
        assert post(here(tls=authority.client), f"https://127.0.0.1:{seen.port}/").error is Fault.TLS


# -- Time --------------------------------------------------------------------------------------------------------------


def slow(seconds: float = 0.4, **options: object) -> CallbackTransport:
    return here(timeout=seconds, **options)


@contextmanager
def in_time() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 3


def test_an_endpoint_that_hangs_is_left_at_the_deadline() -> None:
    with in_time(), server(hang) as seen:
        told = post(slow(), plain(seen))
    assert (told.status, told.error) == (None, Fault.TIMEOUT)
    assert 300 < told.duration_ms < 2000


@pytest.mark.parametrize(
    ("begin", "status", "error"),
    [
        (b"", None, Fault.TIMEOUT),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", 200, Fault.TOO_SLOW),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", 200, Fault.TOO_SLOW),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n", 200, Fault.TOO_SLOW),
        (b"HTTP/1.1 200 OK\r\n\r\n", 200, Fault.TOO_SLOW),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n", 200, Fault.TOO_SLOW),
        (b"HTTP/1.1 302 OK\r\nContent-Length: 100000\r\n\r\n", 302, Fault.TOO_SLOW),
    ],
    ids=["status", "headers", "length", "close", "no-length", "chunk", "redirect"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_an_answer_that_trickles_is_cut_at_the_deadline(
    authority: Authority, begin: bytes, status: int | None, error: Fault, secure: bool
) -> None:
    tls = authority.server("127.0.0.1") if secure else None
    with in_time(), server(trickles(begin), tls=tls) as seen:
        told = post(slow(tls=authority.client), f"http{'s' if secure else ''}://127.0.0.1:{seen.port}/")
    assert (told.status, told.error, told.ok) == (status, error, False)


def test_a_handshake_that_hangs_or_trickles_is_cut_at_the_deadline(authority: Authority) -> None:
    def trickle(connection: socket.socket, seen: Server) -> None:
        connection.recv(1000)
        # The beginning of a long record.
        for byte in b"\x16\x03\x03\x3f\xff\x02" + bytes(1000):
            connection.sendall(bytes([byte]))
            threading.Event().wait(0.05)

    def silent(connection: socket.socket, seen: Server) -> None:
        while connection.recv(1000):
            pass

    with in_time(), server(trickle, silent) as seen:
        for _ in range(2):
            assert post(slow(tls=authority.client), f"https://127.0.0.1:{seen.port}/").error is Fault.TIMEOUT


def test_an_endpoint_that_does_not_read_is_left_at_the_deadline() -> None:
    def wait(connection: socket.socket, seen: Server) -> None:
        threading.Event().wait(1)
        reset(connection, seen)

    with in_time(), server(wait) as seen:
        told = slow().post(plain(seen), {}, b"x" * 50_000_000)
    assert told.error is Fault.TIMEOUT


def test_an_address_that_lets_nobody_connect_is_left_at_the_deadline() -> None:
    with in_time(), socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
        assert post(slow(), f"http://127.0.0.1:{port}/").error is Fault.TIMEOUT
        for s in waiting:
            s.close()


def test_a_resolver_that_hangs_is_left_at_the_deadline() -> None:
    enough = threading.Event()

    def hangs(name: str) -> Sequence[str]:
        enough.wait(10)
        return ["127.0.0.1"]

    with in_time():
        assert post(slow(resolve=hangs), f"https://{NAME}:443/").error is Fault.FORBIDDEN_ADDRESS
        assert post(here(443, timeout=0.3, resolve=hangs), f"https://{NAME}/").error is Fault.DNS
    enough.set()


def test_a_worker_that_ends_cuts_its_callbacks_too() -> None:
    told: list[Told] = []
    with in_time(), server(hang) as seen:
        thread = threading.Thread(target=lambda: told.append(post(here(timeout=10), plain(seen))))
        thread.start()
        while not seen.requests:
            time.sleep(0.01)
        assert deadline.cut_running() == 1
        thread.join()
    assert told[0].error is Fault.TIMEOUT


def test_what_is_cut_before_it_was_sent_is_not_sent(authority: Authority) -> None:
    def ends(name: str) -> Sequence[str]:
        deadline.cut_running()
        return ["127.0.0.1"]

    with server(answers(OK), tls=authority.server(NAME)) as seen:
        told = post(here(seen.port, tls=authority.client, resolve=ends), f"https://{NAME}:{seen.port}/")
    assert (told.error, seen.requests) == (Fault.TIMEOUT, [])


# -- Answers that are none ---------------------------------------------------------------------------------------------


def test_a_name_that_has_no_address_is_told() -> None:
    def fails(name: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, name)

    for resolver in (fails, Resolver([])):
        assert post(here(443, resolve=resolver), f"https://{NAME}/").error is Fault.DNS


def test_a_refused_connection_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    told = post(here(), f"http://127.0.0.1:{port}/")
    assert (told.status, told.error) == (None, Fault.NO_CONNECTION)


def test_a_connection_that_is_reset_at_once_is_a_failure_whether_it_counts_as_made_or_not() -> None:
    with in_time(), server(reset) as seen:
        told = post(here(), plain(seen))
    assert told.status is None
    assert told.error in {Fault.NO_CONNECTION, Fault.NO_ANSWER}


@pytest.mark.parametrize(
    ("behave", "status", "error"),
    [
        (read_then_reset, None, Fault.NO_ANSWER),
        (read_then_close, None, Fault.NO_ANSWER),
        (answers(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), 200, Fault.NO_ANSWER),
        (answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha"), 200, Fault.NO_ANSWER),
        (answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nha"), 200, Fault.NO_ANSWER),
        (answers(b"SSH-2.0-OpenSSH_9.2\r\n"), None, Fault.NOT_HTTP),
        (answers(b"\x00\xff\x00\xff" * 100 + b"\r\n\r\n"), None, Fault.NOT_HTTP),
        (answers(b"HTTP/1.1 abc OK\r\n\r\n"), None, Fault.NOT_HTTP),
        (answers(b"HTTP/1.1 99999 OK\r\n\r\n"), None, Fault.NOT_HTTP),
        (answers(b"HTTP/2.0 200 OK\r\n\r\n"), None, Fault.NOT_HTTP),
        (answers(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"), None, Fault.NOT_HTTP),
        (answers(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), None, Fault.NOT_HTTP),
        (answers(b"x" * 1_000_000), None, Fault.NOT_HTTP),
    ],
)  # fmt: skip
def test_what_breaks_off_or_is_no_http_is_told_apart(behave: Behaviour, status: int | None, error: Fault) -> None:
    with in_time(), server(behave) as seen:
        told = post(here(), plain(seen))
    assert (told.status, told.error, told.ok) == (status, error, False)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100000000\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n-1\r\n"]
)
def test_of_an_endless_answer_only_the_beginning_is_read(framing: bytes) -> None:
    sent = [0]

    def endless(connection: socket.socket, seen: Server) -> None:
        read_request(connection, seen)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + framing)
        while True:
            connection.sendall(b"x" * 65536)
            sent[0] += 65536

    with in_time(), server(endless) as seen:
        told = post(here(), plain(seen))
    assert (told.ok, told.excerpt) == (True, "x" * 500)
    # What the sockets between us hold comes on top.
    assert sent[0] < MAX_ANSWER + 16_000_000


def test_the_excerpt_is_printable_short_and_without_addresses() -> None:
    text = "No: \x1b[31m anna@example.com\x00 \u202eis\r\nunknown, Bearer abcdefghijkl, Zoë " + "é" * 600
    raw = text.encode() + b"\xff"
    with server(answers(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw)) as seen:
        told = post(here(), plain(seen))
    assert told.excerpt.startswith("No:  [31m a***@example.com   is  unknown, Bearer ***, Zoë é")
    assert len(told.excerpt) == 500
    assert told.excerpt.isprintable()


def test_an_address_at_the_cut_is_masked_before_it_is_cut() -> None:
    raw = b"x" * 480 + b" anna.annasson@example.com"
    with server(answers(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw)) as seen:
        assert "annasson" not in post(here(), plain(seen)).excerpt


# -- Looked at when it is registered ---------------------------------------------------------------------------------


def test_a_name_that_leads_inside_is_refused_when_it_is_registered() -> None:
    for inside in ("10.0.0.1", "::1", "169.254.169.254"):
        transport = CallbackTransport(tls=TLS, resolve=Resolver(["93.184.215.14", inside]))
        with pytest.raises(ForbiddenDestination, match="public internet"):
            transport.check(f"https://{NAME}/")


def test_a_name_that_nobody_knows_yet_may_be_registered() -> None:
    def unknown(_: str) -> list[str]:
        raise OSError

    CallbackTransport(tls=TLS, resolve=unknown).check(f"https://{NAME}/")


# -- Lines -------------------------------------------------------------------------------------------------------------


def test_a_line_keeps_its_connection_and_asks_the_resolver_once(authority: Authority) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    empty = b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"
    resolver = Resolver(["127.0.0.1"], ["10.0.0.1"])
    with server(answers(OK, chunked, empty, OK), tls=authority.server(NAME)) as seen:
        transport = here(seen.port, tls=authority.client, resolve=resolver)
        with transport.line(f"https://{NAME}:{seen.port}/") as line:
            assert [line.post({}, BODY).status for _ in range(4)] == [200, 200, 500, 200]
    assert resolver.asked == 1


def test_a_deadline_that_is_over_does_not_cut_the_next_post_on_a_line() -> None:
    with server(answers(OK, OK)) as seen, here(timeout=0.3).line(plain(seen)) as line:
        assert line.post({}, BODY).ok
        threading.Event().wait(0.4)
        assert line.post({}, BODY).ok


@pytest.mark.parametrize(
    "first",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        b"HTTP/1.0 200 OK\r\n\r\nok",
        OK,  # and closed without a word
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
    ],
    ids=["close", "1.0", "silently", "too much", "an answer nobody asked for"],
)
def test_a_line_connects_anew_when_its_connection_cannot_be_used_again(first: bytes) -> None:
    with server(answers(first), answers(OK)) as seen, here().line(plain(seen)) as line:
        assert line.post({}, BODY).ok
        threading.Event().wait(0.1)
        again = line.post({}, BODY)
    assert (again.ok, again.excerpt) == (True, "ok")


def test_a_line_goes_on_after_a_failure() -> None:
    with server(hang, read_then_reset, answers(OK)) as seen, slow().line(plain(seen)) as line:
        assert [line.post({}, BODY).error for _ in range(3)] == [Fault.TIMEOUT, Fault.NO_ANSWER, None]
