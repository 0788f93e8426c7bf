"""The services as supervised parts: sink, API, simulated venues, connectors."""

from __future__ import annotations

import asyncio
import sys

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from echoarb.simulators import pairs
from echoarb.stack.infrastructure import wait_ready
from echoarb.stack.keys import key_pair
from echoarb.stack.plan import Options, simulated_env, simulator_command
from echoarb.stack.ports import LOOPBACK, free_port
from echoarb.stack.process import Child
from echoarb.stack.readiness import SILENT, http_answers
from echoarb.stack.supervisor import Part, State, Supervisor
from schemas.settings import KafkaSettings

SINK = "sink"
SINK_SESSION_SECONDS = 6
"""A first group join on Tansu takes half the session timeout."""
SINK_GROUP = "echoarb-sink"
ANALYTICS = "analytics"
ANALYTICS_GROUP = "echoarb-analytics"
API = "api"


class Services:
    """Starts and stops the processes that move data."""

    def __init__(self, options: Options, supervisor: Supervisor) -> None:
        self._options = options
        self._supervisor = supervisor
        self._logs = options.data_dir / "logs"

    def _add(
        self, name: str, command: list[str], env: dict[str, str], metrics_port: int = 0
    ) -> Part:
        environment = {**self._options.services_env(), **env}
        environment["ECHOARB_METRICS_PORT"] = str(metrics_port)
        child = Child(name, command, self._logs / f"{name}.log", environment)
        return self._supervisor.add(Part(name, child, metrics_port))

    async def start_readers(self, kafka: KafkaSettings) -> None:
        """Start sink and API and wait until they are at work. Raises Fatal."""
        options = self._options
        if options.simulated_pairs is not None:
            options.simulated_pairs.write_text(pairs.document(options.seed), encoding="utf-8")
        sink = self._add(
            SINK,
            [sys.executable, "-m", "agents", "sink"],
            {"ECHOARB_SINK_SESSION_SECONDS": str(SINK_SESSION_SECONDS)},
            free_port(),
        )
        analytics = self._add(
            ANALYTICS,
            [sys.executable, "-m", "agents", "analytics"],
            {"ECHOARB_ANALYTICS_SESSION_SECONDS": str(SINK_SESSION_SECONDS)},
            free_port(),
        )
        api = self._add(
            API,
            [sys.executable, "-m", "api"],
            {
                "ECHOARB_API_HOST": LOOPBACK,
                "ECHOARB_API_PORT": str(options.api_port),
                # Ticks by hand are for playing, and for nothing that follows real venues.
                "ECHOARB_ENVIRONMENT": "production" if options.live else "development",
            },
            options.metrics_port,
        )
        url = f"http://{LOOPBACK}:{options.api_port}"
        await wait_ready(api, lambda: http_answers(f"{url}/health"))
        self._supervisor.say(f"API ready at {url} (documents at {url}/docs)")
        await wait_ready(sink, lambda: _is_stable(kafka, SINK_GROUP))
        await wait_ready(analytics, lambda: _is_stable(kafka, ANALYTICS_GROUP))
        self._supervisor.say("sink and analytics ready")

    async def start_venues(self) -> None:
        """Start each venue's connector, with a simulated venue for it unless live."""
        options = self._options
        private, public = await asyncio.to_thread(key_pair, options.data_dir / "keys")
        ports = {} if options.live else {platform: free_port() for platform in options.venues}
        simulators = {
            platform: self._add(
                f"simulator-{platform}", simulator_command(platform, port, options, public), {}
            )
            for platform, port in ports.items()
        }
        for platform, part in simulators.items():
            url = f"http://{LOOPBACK}:{ports[platform]}/_health"
            await wait_ready(part, lambda url=url: http_answers(url))  # type: ignore[misc]
            self._supervisor.say(f"simulated {platform} ready at {LOOPBACK}:{ports[platform]}")
        for platform in options.venues:
            env = {} if options.live else simulated_env(platform, ports[platform], private)
            self._add(
                f"connector-{platform}",
                [sys.executable, "-m", "connectors", platform],
                env,
                free_port(),
            )
        where = "the real venues" if options.live else "simulated venues"
        self._supervisor.say(f"connectors started: {', '.join(options.venues)}, {where}")

    def writers(self) -> list[str]:
        """Return the names of the connectors, which write to Kafka."""
        return [f"connector-{platform}" for platform in self._options.venues]

    def simulators(self) -> list[str]:
        """Return the names of the simulated venues."""
        return [f"simulator-{platform}" for platform in self._options.venues]

    def sink_is_up(self) -> bool:
        """Return whether the sink may still store what is on the topics."""
        part = self._supervisor.parts.get(SINK)
        return part is not None and part.state in (State.running, State.waiting)


def _is_stable(kafka: KafkaSettings, group: str) -> bool:
    """Return whether the group is settled: its members have their partitions.

    By its state: Tansu lists no members.
    """
    admin = AdminClient(kafka.librdkafka(), logger=SILENT)
    try:
        found = admin.describe_consumer_groups([group], request_timeout=5)[group].result()
    except KafkaException:
        return False
    return bool(found.state == ConsumerGroupState.STABLE)
