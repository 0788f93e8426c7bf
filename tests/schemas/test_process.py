"""How our processes end, and their metrics port."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from schemas.errors import ConfigurationError, EchoArbError, Fatal
from schemas.process import clean_exit, package_version, serve_metrics


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (ConfigurationError("set X"), 2, ["error: set X"]),
        (Fatal("no"), 1, ["error: no"]),
        (
            ExceptionGroup("", [Fatal("a"), ExceptionGroup("", [ConfigurationError("b")])]),
            2,
            ["error: a", "error: b"],
        ),
    ],
)
def test_errors_of_ours_are_one_line_each(
    error: Exception, code: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, clean_exit():
        raise error
    assert ended.value.code == code
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize(
    "error", [ValueError("x"), ExceptionGroup("", [EchoArbError("a"), KeyError("b")])]
)
def test_a_defect_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)), clean_exit():
        raise error


def test_metrics_are_served_until_stopped_and_a_taken_port_names_the_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="--metrics-port"):
            serve_metrics("api", "127.0.0.1", port)
    stop = serve_metrics("api", "127.0.0.1", port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert f'echoarb_build_info{{component="api",version="{package_version()}"}} 1.0' in (
            answer.read().decode()
        )
    stop()
    serve_metrics("api", "127.0.0.1", 0)()
