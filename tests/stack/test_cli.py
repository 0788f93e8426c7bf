"""The command line: what it prints, and how it ends."""

from __future__ import annotations

import json
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from echoarb.cli import app, main
from echoarb.commands.settings import SOURCES, example
from echoarb.stack.ports import free_port
from echoarb.stack.readiness import kafka_answers
from schemas.settings import Settings
from schemas.topics import TOPICS

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def echoarb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process."""

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["echoarb", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        *((name,) for name in ("up", "decode", "replay", "migrate", "settings", "broker")),
        *((name,) for name in ("clickhouse", "registry")),
        ("topics", "create"),
        ("topics", "list"),
        ("schemas", "register"),
        ("schemas", "list"),
        *(("pairs", name) for name in ("check", "suggest", "schema")),
    ],
)
def test_every_help_teaches_by_example(arguments: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(app, [*arguments, "--help"])
    assert answer.exit_code == 0
    assert "echoarb" in answer.output.partition("Example")[2], answer.output


def test_env_example_is_what_the_settings_are() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == example(), (
        "run: echoarb settings > .env.example"
    )


def test_every_settings_class_is_in_env_example() -> None:
    listed = {source for _, source in SOURCES}
    for package in ("schemas", "connectors", "agents", "api"):
        module = import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith(("settings", "migrate")):
                continue
            for name, value in vars(import_module(found.name)).items():
                if (
                    isinstance(value, type)
                    and issubclass(value, Settings)
                    and value is not Settings
                ):
                    assert f"{value.__module__}:{name}" in listed


def test_topics_are_created_and_listed(tansu: str, echoarb: Command) -> None:
    made = echoarb("topics", "create", "--kafka", tansu)
    assert made.returncode == 0, made.stderr
    listed = echoarb("topics", "list", "--kafka", tansu, "--json")
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert {row["name"] for row in rows} == set(TOPICS)
    assert all(row["topic_id"] for row in rows)
    assert "ticks.kalshi" in echoarb("topics", "list").stdout


def test_schemas_are_registered_and_listed(registry: str, echoarb: Command) -> None:
    made = echoarb("schemas", "register", "--registry", registry)
    assert made.returncode == 0, made.stderr
    assert "ticks.kalshi-value: 1\n" in made.stdout
    assert '"name":"Tick"' in echoarb("schemas", "list", "--full").stdout


def test_migrations_are_shown_then_run(clickhouse: str, echoarb: Command) -> None:
    options = ("--clickhouse", clickhouse, "--database", "cli_migrate")
    shown = echoarb("migrate", "--dry-run", *options)
    assert "CREATE TABLE IF NOT EXISTS cli_migrate.ticks" in shown.stdout
    assert "0 statements" not in shown.stderr
    assert echoarb("migrate", *options).returncode == 0
    assert echoarb("migrate", "--dry-run", *options).stderr == "0 statements to run\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("topics", "create", "--kafka", "127.0.0.1:1"), 1, "127.0.0.1:1"),
        (("schemas", "register", "--registry", "http://127.0.0.1:1"), 1, "127.0.0.1:1"),
        (("migrate", "--clickhouse", "http://127.0.0.1:1"), 1, "127.0.0.1"),
        (("migrate", "--clickhouse", "nonsense"), 2, "ECHOARB_CLICKHOUSE_URL"),
        (("migrate", "--database", "a b"), 2, "ECHOARB_CLICKHOUSE_DATABASE"),
    ],
)
def test_failures_are_one_line(
    arguments: tuple[str, ...], code: int, words: str, echoarb: Command
) -> None:
    done = echoarb(*arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert words in last


def test_a_broker_in_the_foreground() -> None:
    port = free_port()
    command = [sys.executable, "-m", "echoarb", "broker", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not kafka_answers(f"127.0.0.1:{port}"):
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.wait(10)
    assert not kafka_answers(f"127.0.0.1:{port}")
