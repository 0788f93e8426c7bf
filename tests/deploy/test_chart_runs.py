"""The chart's own commands and variables, run as processes against a real broker, registry, engine.

What is changed is only what the cluster would bring: the folder that may be written to, the address
that is listened on (loopback here), and the names that the cluster's DNS knows.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import httpx
import pytest

from echoarb.stack.ports import free_port
from tests.deploy.chart import Pod, of_kind, pod

pytestmark = [pytest.mark.xdist_group("chart"), pytest.mark.slow]
Options = tuple[str, ...]
ANSWER_SECONDS = 60
DATABASE = f"chart_{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def options(tansu: str, registry: str, clickhouse: str) -> Options:
    """Values that lead to the services of the tests."""
    api, metrics, sink = (free_port() for _ in range(3))
    own = [{"name": "ECHOARB_METRICS_PORT", "value": str(sink)}]  # one machine has both
    values = {
        "kafka.bootstrapServers": tansu,
        "registry.url": registry,
        "clickhouse.url": clickhouse,
        "clickhouse.database": DATABASE,
        "jobs.topics.replicationFactor": 1,
        "api.port": api,
        "metrics.port": metrics,
    }
    changes = (f"{name}={value}" for name, value in values.items())
    return ("--set", ",".join(changes), "--set-json", f"sink.extraEnv={json.dumps(own)}")


def _environment(each: Pod, options: Options, folder: Path) -> dict[str, str]:
    """Return a container's variables as Kubernetes would make them."""
    made: dict[str, str] = {}
    for source in each.container.get("envFrom", []):
        made |= of_kind("ConfigMap", "minimal", *options)[source["configMapRef"]["name"]]["data"]
    made |= {item["name"]: item["value"] for item in each.container["env"]}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    loopback = {"ECHOARB_API_HOST": "127.0.0.1", "ECHOARB_METRICS_HOST": "127.0.0.1"}
    return made | loopback | {"PATH": path, "HOME": str(folder), "TMPDIR": str(folder)}


@contextlib.contextmanager
def _running(each: Pod, options: Options, folder: Path) -> Iterator[dict[str, str]]:
    """Run a container's command, and give the variables it has."""
    environment = _environment(each, options, folder)
    with (folder / f"{each.component}.log").open("wb") as log:
        process = subprocess.Popen(
            each.container["command"], env=environment, cwd=folder, stdout=log, stderr=log
        )
        try:
            yield environment
        finally:
            process.terminate()
            code = process.wait(60)
    assert code == 0, (folder / f"{each.component}.log").read_text()


def _answers(each: Pod, probe: str, environment: dict[str, str], folder: Path) -> None:
    """Wait until a probe of the container is answered with 200."""
    asked = each.container[probe]["httpGet"]
    port = environment[
        {"http": "ECHOARB_API_PORT", "metrics": "ECHOARB_METRICS_PORT"}[asked["port"]]
    ]
    until, answer = time.monotonic() + ANSWER_SECONDS, ""
    with httpx.Client(trust_env=False, timeout=10) as http:
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                got = http.get(f"http://127.0.0.1:{port}{asked['path']}")
                answer = f"{got.status_code} {got.text}"
                if got.status_code == 200:
                    return
            time.sleep(0.2)
    pytest.fail(f"{probe}: {answer}; {(folder / f'{each.component}.log').read_text()[-2000:]}")


def test_jobs_sink_api_and_helm_test_run_as_the_manifests_say(
    options: Options, clickhouse: str, tmp_path: Path
) -> None:
    for name in ("topics", "schemas", "migrate"):
        job = pod(name, "minimal", *options)
        done = subprocess.run(
            job.container["command"],
            env=_environment(job, options, tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, (name, done.stderr)
    client = clickhouse_connect.get_client(dsn=clickhouse, autogenerate_session_id=False)
    assert len(client.query(f"SHOW TABLES FROM {DATABASE}").result_rows) > 10

    sink, api, asking = (pod(name, "minimal", *options) for name in ("sink", "api", "test"))
    with _running(sink, options, tmp_path) as environment:
        for probe in ("startupProbe", "livenessProbe"):
            _answers(sink, probe, environment, tmp_path)
        with _running(api, options, tmp_path) as environment:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                _answers(api, probe, environment, tmp_path)
            *command, _ = asking.container["command"]
            url = f"http://127.0.0.1:{environment['ECHOARB_API_PORT']}"
            environment = _environment(asking, options, tmp_path) | {"no_proxy": "*"}
            done = subprocess.run(
                [*command, url], capture_output=True, text=True, timeout=60, env=environment
            )
            assert done.returncode == 0, done.stderr
            assert '"healthy"' in done.stdout
            assert '"ready"' in done.stdout
    client.command(f"DROP DATABASE {DATABASE} SYNC")
    client.close()
