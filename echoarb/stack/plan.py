"""What `echoarb up` is asked for, and what each process is told. Pure: nothing starts here."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from echoarb.stack.ports import LOOPBACK
from schemas.errors import ConfigurationError
from schemas.topics import PLATFORMS

KEY_ID = "00000000-0000-4000-8000-000000000000"
"""Key id that the simulated Kalshi knows."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `echoarb up`.

    ``kafka`` is ``tansu``, ``apache`` or host:port; ``clickhouse`` and ``registry`` are URLs, or
    None for the local ones. ``rate`` is ticks per second of all simulated venues together.
    """

    live: bool
    venues: tuple[str, ...]
    rate: float
    seconds: float | None
    kafka: str
    clickhouse: str | None
    registry: str | None
    data_dir: Path
    api_port: int
    metrics_port: int
    kafka_port: int
    registry_port: int
    clickhouse_port: int
    memory_limit_mb: int
    seed: int = 1

    @property
    def local_kafka(self) -> bool:
        """Whether the broker is ours to start."""
        return self.kafka in ("tansu", "apache")

    @property
    def bootstrap(self) -> str:
        """Broker address for clients."""
        return f"{LOOPBACK}:{self.kafka_port}" if self.local_kafka else self.kafka

    @property
    def clickhouse_url(self) -> str:
        """ClickHouse URL for clients."""
        return self.clickhouse or f"http://{LOOPBACK}:{self.clickhouse_port}"

    @property
    def registry_url(self) -> str:
        """Schema registry URL for clients."""
        return self.registry or f"http://{LOOPBACK}:{self.registry_port}"

    @property
    def simulated_pairs(self) -> Path | None:
        """The pair file over the simulated venues' markets; None if the venues are real."""
        return None if self.live else self.data_dir / "market_pairs.json"

    def ports(self) -> list[tuple[int, str]]:
        """Return every port that will be listened on, with the option that moves it."""
        ports = [(self.api_port, "--api-port"), (self.metrics_port, "--metrics-port")]
        if self.local_kafka:
            ports.append((self.kafka_port, "--kafka-port"))
        if self.registry is None:
            ports.append((self.registry_port, "--registry-port"))
        if self.clickhouse is None:
            ports.append((self.clickhouse_port, "--clickhouse-port"))
        return ports

    def services_env(self) -> dict[str, str]:
        """Return what every process of ours is told: URLs, and nothing of where they are."""
        env = {
            "ECHOARB_KAFKA_BOOTSTRAP": self.bootstrap,
            "ECHOARB_CLICKHOUSE_URL": self.clickhouse_url,
            "ECHOARB_REGISTRY_URL": self.registry_url,
            "PYTHONUNBUFFERED": "1",
        }
        if self.simulated_pairs is not None:
            env["ECHOARB_MARKET_PAIRS"] = str(self.simulated_pairs)
        if self.local_kafka:  # whatever the environment says of a real one
            env["ECHOARB_KAFKA_SECURITY"] = "PLAINTEXT"
        if self.registry is None:
            env["ECHOARB_REGISTRY_USERNAME"] = ""
        return env


def venues_of(text: str) -> tuple[str, ...]:
    """Return the platforms in a comma-separated list. Raises ConfigurationError."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in PLATFORMS]
    if unknown or not names:
        raise ConfigurationError(
            f"--venues: {', '.join(unknown) or 'nothing'} given; known: {', '.join(PLATFORMS)}"
        )
    return names


def check_ports(options: Options) -> None:
    """Raise ConfigurationError if two options name one port."""
    seen: dict[int, str] = {}
    for port, option in options.ports():
        if port in seen:
            raise ConfigurationError(f"{seen[port]} and {option} are both {port}")
        seen[port] = option


def simulator_command(platform: str, port: int, options: Options, public_key: Path) -> list[str]:
    """Return the command of one simulated venue."""
    rate = options.rate / len(options.venues)
    command = [
        *(sys.executable, "-m", "echoarb.simulators", platform, "--port", str(port)),
        *("--rate", f"{rate:g}", "--seed", str(options.seed)),
    ]
    if platform == "kalshi":
        command += ["--public-key", str(public_key), "--key-id", KEY_ID]
    return command


def simulated_env(platform: str, port: int, private_key: Path) -> dict[str, str]:
    """Return what tells a connector that its venue is at ``port`` of this machine."""
    http, ws = f"http://{LOOPBACK}:{port}", f"ws://{LOOPBACK}:{port}"
    return {
        "kalshi": {
            "ECHOARB_KALSHI_REST_URL": f"{http}/trade-api/v2",
            "ECHOARB_KALSHI_WS_URL": f"{ws}/trade-api/ws/v2",
            "ECHOARB_KALSHI_KEY_ID": KEY_ID,
            "ECHOARB_KALSHI_PRIVATE_KEY_FILE": str(private_key),
        },
        "polymarket": {
            "ECHOARB_POLYMARKET_CLOB_URL": http,
            "ECHOARB_POLYMARKET_GAMMA_URL": http,
            "ECHOARB_POLYMARKET_WS_URL": f"{ws}/ws/market",
        },
        "manifold": {
            "ECHOARB_MANIFOLD_REST_URL": f"{http}/v0",
            "ECHOARB_MANIFOLD_WS_URL": f"{ws}/ws",
        },
    }[platform]
