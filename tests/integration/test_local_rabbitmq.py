"""The private RabbitMQ node of `make run` and of the other tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import amqp
import kombu
import pytest

from deploy.local import rabbitmq, tree
from deploy.local.error import DidNotStartError, LocalError, PortInUseError
from deploy.local.port import answers, free_port, wait_until
from deploy.local.rabbit_home import RabbitHome
from deploy.local.rabbitmq import RabbitNode

pytestmark = pytest.mark.skipif(not rabbitmq.installed(), reason="RabbitMQ is not installed")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    with RabbitNode(tmp_path_factory.mktemp("node with spaces")) as running:
        yield running


def publish(url: str, body: str) -> None:
    """To a durable queue, returning when the broker has confirmed it."""
    with kombu.Connection(url, transport_options={"confirm_publish": True}) as connection:
        queue = connection.SimpleQueue("kept")
        queue.put(body)
        queue.close()


def take(url: str) -> str:
    with kombu.Connection(url) as connection:
        queue = connection.SimpleQueue("kept")
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
        return str(message.payload)


def test_it_is_ready_when_start_returns(node: RabbitNode) -> None:
    assert rabbitmq.speaks_amqp(node.port)
    assert node.name in node.ctl("eval", "node().")


def test_a_confirmed_message_survives_a_kill(node: RabbitNode) -> None:
    publish(node.url(), "before the kill")
    node.kill()
    assert not rabbitmq.speaks_amqp(node.port)
    node.start()
    assert take(node.url()) == "before the kill"


def test_the_node_finds_a_port_mapper_that_was_killed_and_started_again(node: RabbitNode) -> None:
    tree.end([node.epmd_pid], grace=0)
    node.start()
    assert wait_until(lambda: _named(node), timeout=20, interval=0.5)


def _named(node: RabbitNode) -> bool:
    try:
        return node.name in node.ctl("eval", "node().")
    except LocalError:
        return False


def test_vhosts_come_and_go(node: RabbitNode) -> None:
    node.add_vhost("first", "second one")
    publish(node.url("second one"), "here")
    assert take(node.url("second one")) == "here"
    node.delete_vhost("first", "second one")
    with pytest.raises(amqp.exceptions.NotAllowed), kombu.Connection(node.url("first")) as connection:
        connection.connect()


@pytest.mark.parametrize("name", ["", 'quoted"', "back\\slash", "tilde~p", "two\nlines"])
def test_a_vhost_name_that_erlang_would_read_otherwise_is_refused(node: RabbitNode, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        node.add_vhost(name)


def test_a_paused_node_does_not_answer_until_it_is_resumed(node: RabbitNode) -> None:
    node.pause()
    try:
        assert not rabbitmq.speaks_amqp(node.port, timeout=0.5)
    finally:
        node.resume()
    assert wait_until(lambda: rabbitmq.speaks_amqp(node.port), timeout=5)


def test_it_listens_on_the_loopback_only(node: RabbitNode) -> None:
    ours = {node.port, node.home.dist_port, node.home.epmd_port}
    addresses = {address for port, address in _listening() if port in ours}
    assert addresses <= {"0100007F", "00000000000000000000000001000000"}  # 127.0.0.1 and, by epmd itself, ::1


def _listening() -> Iterator[tuple[int, str]]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            if state == "0A":
                yield int(local.partition(":")[2], 16), local.partition(":")[0]


def test_its_cookie_is_for_its_owner_only(node: RabbitNode) -> None:
    assert (node.home.base / ".erlang.cookie").stat().st_mode & 0o777 == 0o400


def test_stop_leaves_no_process_behind(tmp_path: Path) -> None:
    node = RabbitNode(tmp_path)
    node.start()
    family = [node.pid, node.epmd_pid, *tree.descendants(node.pid)]
    node.stop()
    assert tree.alive(family) == []
    assert not answers(node.home.epmd_port)


def test_a_taken_port_is_named(node: RabbitNode, tmp_path: Path) -> None:
    second = RabbitNode(tmp_path, home=RabbitHome(base=tmp_path, port=node.port))
    with pytest.raises(PortInUseError, match=str(node.port)):
        second.start()


def test_a_node_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    node = RabbitNode(tmp_path, home=RabbitHome(base=tmp_path, user="no\nsuch_setting = 1"))
    with pytest.raises(DidNotStartError, match="ended with status 1; the end of"):
        node.start(timeout=30)
    assert not answers(node.home.epmd_port)


def test_a_kept_home_keeps_its_name_and_password_and_moves_from_a_taken_port(tmp_path: Path, node: RabbitNode) -> None:
    first = RabbitHome.keep(tmp_path / "home", user="mailer")
    text = (tmp_path / "home" / "home.json").read_text(encoding="utf-8")
    (tmp_path / "home" / "home.json").write_text(text.replace(str(first.port), str(node.port)), encoding="utf-8")
    second = RabbitHome.keep(tmp_path / "home", user="mailer")
    assert (second.name, second.password, second.cookie) == (first.name, first.password, first.cookie)
    assert second.port != node.port


def test_the_machine_s_own_settings_do_not_reach_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RABBITMQ_NODENAME", "somebody@else")
    monkeypatch.setenv("HOME", "/nonexistent")
    environment = RabbitHome(base=tmp_path, port=free_port()).environment()
    assert environment["RABBITMQ_NODENAME"].endswith("@localhost")
    assert environment["HOME"] == str(tmp_path)
