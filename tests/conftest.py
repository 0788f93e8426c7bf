"""Session fixtures: real services on free ports of loopback, one set per test worker.

``tansu`` and ``apache`` are bootstrap addresses, ``broker`` is each of them in turn;
``clickhouse`` and ``registry`` are URLs; ``clickhouse_database`` is a migrated database of the
test's own; ``venues`` is the folder of recorded traffic.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from hypothesis import settings as hypothesis_settings

from echoarb.stack import apache as apache_kafka
from echoarb.stack import services
from echoarb.stack import tansu as tansu_broker
from echoarb.stack.ports import free_port
from echoarb.stack.process import Child
from schemas.errors import ConfigurationError, Fatal
from schemas.migrate import RetentionSettings, migrate

# Examples are counted, not timed: the machine is shared with brokers and engines.
hypothesis_settings.register_profile("echoarb", deadline=None)
hypothesis_settings.load_profile("echoarb")

ATTEMPTS = 3
"""A free port may be taken by another test worker before the service listens on it."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker run all that needs Apache Kafka: one JVM instead of one a worker."""
    for item in items:
        if item.get_closest_marker("apache") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("apache"))


def _started(start: Callable[[int], Child]) -> tuple[Child, str]:
    for attempt in range(ATTEMPTS):
        port = free_port()
        try:
            return start(port), f"127.0.0.1:{port}"
        except Fatal:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def service_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the services' logs."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def tansu(service_logs: Path) -> Iterator[str]:
    """Bootstrap address of a Tansu broker."""
    child, address = _started(lambda port: tansu_broker.start(port, service_logs / "tansu.log"))
    yield address
    child.stop()


@pytest.fixture(scope="session")
def apache(service_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of an Apache Kafka broker.

    Skipped where Java or Maven is absent, unless ECHOARB_REQUIRE_APACHE is 1.
    """
    try:
        apache_kafka.require_tools()
    except ConfigurationError as error:
        if os.environ.get("ECHOARB_REQUIRE_APACHE") == "1":
            raise
        pytest.skip(f"Apache Kafka: {error}")
    data = tmp_path_factory.mktemp("apache")

    def start(port: int) -> Child:
        return apache_kafka.start(port, data / str(port), service_logs / "apache.log")

    child, address = _started(start)
    yield address
    child.stop()


@pytest.fixture(params=["tansu", pytest.param("apache", marks=pytest.mark.apache)])
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap address of each broker in turn."""
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture(scope="session")
def clickhouse(service_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of ClickHouse over HTTP, with an empty data folder."""
    data = tmp_path_factory.mktemp("clickhouse")
    log = service_logs / "clickhouse.log"
    child, address = _started(lambda port: services.start_clickhouse(port, data / str(port), log))
    yield f"http://{address}"
    child.stop()


@pytest.fixture
def clickhouse_database(clickhouse: str) -> Iterator[str]:
    """Name of a database of this test's own, with every migration applied."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    client = clickhouse_connect.get_client(dsn=clickhouse, autogenerate_session_id=False)
    try:
        migrate(client, name, RetentionSettings.load().by_table())
        yield name
        client.command(f"DROP DATABASE {name} SYNC")
    finally:
        client.close()


@pytest.fixture(scope="session")
def registry(service_logs: Path) -> Iterator[str]:
    """URL of the local schema registry."""
    log = service_logs / "registry.log"
    child, address = _started(lambda port: services.start_registry(port, log))
    yield f"http://{address}"
    child.stop()


@pytest.fixture(scope="session")
def venues() -> Path:
    """Folder of the venues' recorded traffic; skipped where it is absent."""
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "venues"
    folder = Path(os.environ.get("ECHOARB_VENUES", default))
    if not folder.is_dir():
        pytest.skip(f"no recorded traffic at {folder} (ECHOARB_VENUES names another folder)")
    return folder
