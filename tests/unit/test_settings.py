"""Settings come from the environment, and a wrong one is named."""

from __future__ import annotations

import pytest

from mailer.delivery import Lane
from mailer.errors import ConfigurationError
from mailer.providers import registry
from mailer.settings import Settings, load_provider


def test_the_defaults_are_the_documented_ones() -> None:
    s = Settings.load({})
    assert (s.port, s.connect_timeout, s.read_timeout) == (8000, 5, 30)
    assert (s.retry_base, s.retry_max, s.breaker_seconds, s.unknown_limit) == (15, 900, 60, 4)
    assert s.database == "sqlite:///var/mailer.db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("MAILER_READ_TIMEOUT", "-1"),
        ("MAILER_RETRY_MAX", "nan"),
        ("MAILER_READ_TIMEOUT", "0"),
        ("MAILER_SWEEP_BATCH", "0"),
        ("MAILER_LOG_LEVEL", "LOUD"),
        ("MAILER_API_KEY", "a\nb"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Settings.load({name: value})


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.load({"PORT": "", "MAILER_RETRY_BASE": " "}).port == 8000


@pytest.mark.parametrize("url", ["postgres://u@h/d", "postgresql://u@h/d"])
def test_a_platforms_database_url_is_understood(url: str) -> None:
    assert Settings.load({"DATABASE_URL": url}).database == "postgresql+psycopg://u@h/d"


def test_secrets_are_not_in_the_text_form() -> None:
    s = Settings.load(
        {"MAILER_API_KEY": "hush", "DATABASE_URL": "postgres://u:hush@h/d", "SENTRY_DSN": "http://hush@h/1"}
    )
    assert "hush" not in repr(s)


def test_a_provider_is_on_when_its_settings_are_there_and_off_otherwise() -> None:
    assert list(registry.load({})) == []
    assert list(registry.load({"SENDGRID_API_KEY": "SG.x"})) == ["sendgrid"]
    assert list(registry.load({"MAILGUN_API_KEY": "k"})) == []
    both = {"SENDGRID_API_KEY": "SG.x", "MAILGUN_API_KEY": "k", "MAILGUN_DOMAIN": "d.example"}
    assert list(registry.load(both)) == ["sendgrid", "mailgun"]


def test_a_key_with_a_line_break_in_it_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="SENDGRID_API_KEY"):
        registry.load({"SENDGRID_API_KEY": "SG.x\ny"})


def test_every_provider_declares_its_secrets() -> None:
    for provider in registry.ALL:
        assert any(s.secret for s in provider.settings), provider.name
        assert load_provider(provider.settings, {}) is None


def test_each_lane_has_its_own_queue_and_no_queue_a_length_limit() -> None:
    queues = Settings.load({}).celery()["task_queues"]
    assert {"mail.transactional", "mail.bulk"} <= set(queues)
    for lane in Lane:
        arguments = queues[f"mail.{lane}"]["queue_arguments"]
        assert arguments["x-queue-type"] == "quorum"
        assert "x-max-length" not in arguments


def test_a_broker_that_is_not_rabbitmq_gets_no_arguments_it_does_not_know() -> None:
    conf = Settings.load({"CELERY_BROKER_URL": "filesystem://", "MAILER_BROKER_DIR": "/x"}).celery()
    assert {q["queue_arguments"] for q in conf["task_queues"].values()} == {None}
    assert conf["broker_transport_options"]["data_folder_in"] == "/x/messages"


def test_the_ports_of_callbacks_are_numbers() -> None:
    assert Settings.load({}).callback_port_numbers == {443, 8443}
    assert Settings.load({"MAILER_CALLBACK_PORTS": "443, 9443"}).callback_port_numbers == {443, 9443}
    for wrong in ("https", "443,", "0", "65536", "-1"):
        with pytest.raises(ConfigurationError, match="MAILER_CALLBACK_PORTS"):
            _ = Settings.load({"MAILER_CALLBACK_PORTS": wrong}).callback_port_numbers
