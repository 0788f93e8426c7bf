"""Settings: what is wrong is named, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from schemas.settings import ClickHouseSettings, KafkaSettings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_secrets_come_from_files_and_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "echoarb_kafka_password").write_text("hush\n")
    monkeypatch.setenv("ECHOARB_SECRETS_DIR", str(tmp_path))
    found = KafkaSettings.load()
    assert found.kafka_password.get_secret_value() == "hush"
    assert not any("hush" in text for text in (repr(found), str(found), found.model_dump_json()))


def test_a_folder_of_secrets_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going on without them would be going on with empty passwords."""
    (tmp_path / "file").touch()
    for name in ("nowhere", "file"):
        monkeypatch.setenv("ECHOARB_SECRETS_DIR", str(tmp_path / name))
        with pytest.raises(ConfigurationError, match="ECHOARB_SECRETS_DIR"):
            KafkaSettings.load()


def test_a_wrong_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOARB_CLICKHOUSE_DATABASE", "hush; DROP")
    with pytest.raises(ConfigurationError, match="ECHOARB_CLICKHOUSE_DATABASE") as error:
        ClickHouseSettings.load()
    assert "hush" not in str(error.value)


def test_a_file_of_another_encoding_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"ECHOARB_KAFKA_USERNAME=\xfc\n")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        KafkaSettings.load()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("http://db", ("db", 8123, "http")),
        ("https://db/", ("db", 8443, "https")),
        ("https://db:9440", ("db", 9440, "https")),
        ("http://[::1]:8123", ("::1", 8123, "http")),
    ],
)
def test_where_clickhouse_is(url: str, server: tuple[str, int, str]) -> None:
    found = ClickHouseSettings(_env_file=None, clickhouse_url=url).clickhouse_server()
    assert (found["host"], found["port"], found["interface"]) == server


@pytest.mark.parametrize(
    "url",
    [
        *("db:8123", "tcp://db:9000", "http://", "http://db:port", "http://db:99999"),
        *("http://db/path", "http://db?secure=true", "http://ada:hush@db"),
    ],
)
def test_what_is_no_url_of_clickhouse_is_named_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ECHOARB_CLICKHOUSE_URL") as error:
        ClickHouseSettings.load(clickhouse_url=url)
    assert "hush" not in str(error.value)
