"""Apache Kafka, one KRaft broker on loopback: jars by Maven, run by Java, no Docker."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from echoarb.stack.ports import LOOPBACK, free_port
from echoarb.stack.process import Child
from echoarb.stack.readiness import kafka_answers
from schemas.errors import ConfigurationError, Fatal

HERE = Path(__file__).resolve().parent
POM = HERE / "kafka-pom.xml"
LOG4J = HERE / "kafka-log4j2.properties"
MINIMUM_JAVA = 17
MAVEN_SECONDS = 600
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies"

# One broker that is its own controller; everything internal in one copy.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={log_dirs}
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=5
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=8388608
"""


def kafka_version() -> str:
    """Return the Kafka version that the pom names."""
    found = re.search(r"kafka_2\.13</artifactId>\s*<version>([^<]+)", POM.read_text("utf-8"))
    assert found is not None
    return found.group(1)


def tools_dir() -> Path:
    """Return where jars are kept: ECHOARB_TOOLS_DIR, or the user's cache."""
    chosen = os.environ.get("ECHOARB_TOOLS_DIR")
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "echoarb"


def require_tools() -> None:
    """Raise ConfigurationError if Java (17 or newer), or Maven while it is needed, is absent."""
    java = shutil.which("java")
    if java is None:
        raise ConfigurationError("needs Java 17 or newer on the PATH (`java` was not found)")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found.group(1)) < MINIMUM_JAVA:
        first = (said.splitlines() or ["nothing"])[0]
        raise ConfigurationError(
            f"needs Java {MINIMUM_JAVA} or newer; `java -version` says {first}"
        )
    if not _jars().is_dir() and shutil.which("mvn") is None:
        raise ConfigurationError(
            "needs Maven on the PATH (`mvn` was not found) to get Kafka's jars"
        )


def _jars() -> Path:
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    return tools_dir() / f"kafka-{kafka_version()}-{digest}"


def jars() -> Path:
    """Return the folder of Kafka's jars, resolved with Maven the first time.

    Raises ConfigurationError if the tools are absent, Fatal if Maven fails.
    """
    require_tools()
    folder = _jars()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers come here at once
        if not folder.is_dir():
            _resolve(folder)
    return folder


def _resolve(folder: Path) -> None:
    print(f"getting Apache Kafka {kafka_version()} with Maven into {folder}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        unfinished = Path(scratch) / "jars"
        arguments = [f"-DoutputDirectory={unfinished}", "-DincludeScope=runtime"]
        command = ["mvn", "-q", "-B", "-f", str(POM), DEPENDENCY_PLUGIN, *arguments]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                capture_output=True,
                text=True,
                timeout=MAVEN_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise Fatal(f"Maven took longer than {MAVEN_SECONDS} s to get Kafka") from error
        if done.returncode != 0:
            raise Fatal(f"Maven can't get Kafka:\n{(done.stdout + done.stderr).strip()[-2000:]}")
        unfinished.rename(folder)


def _java(jar_folder: Path, main: str, *arguments: str, heap: str = "512m") -> list[str]:
    options = [f"-Xmx{heap}", "-Xms128m", "-XX:+UseSerialGC", "-Djava.awt.headless=true"]
    log = f"-Dlog4j2.configurationFile={LOG4J}"
    return ["java", *options, log, "-cp", f"{jar_folder}/*", main, *arguments]


def child(port: int, data_dir: Path, log: Path, host: str = LOOPBACK) -> Child:
    """Return a formatted broker with its data in ``data_dir`` as a child process, not started.

    Raises ConfigurationError if the tools are absent, Fatal if the data can't be formatted.
    """
    jar_folder = jars()
    data_dir.mkdir(parents=True, exist_ok=True)
    properties = data_dir / "server.properties"
    properties.write_text(
        PROPERTIES.format(
            host=host,
            port=port,
            controller_port=free_port(host),
            log_dirs=(data_dir / "log").resolve(),
        ),
        encoding="utf-8",
    )
    config = ("--config", str(properties))
    cluster = ("--cluster-id", "ZWNob2FyYi1sb2NhbC1zMQ", "--ignore-formatted")
    format_storage = _java(jar_folder, "kafka.tools.StorageTool", "format", *config, *cluster)
    done = subprocess.run(format_storage, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise Fatal(f"Kafka can't format {data_dir}:\n{(done.stdout + done.stderr)[-2000:]}")
    return Child("broker", _java(jar_folder, "kafka.Kafka", str(properties)), log)


def start(port: int, data_dir: Path, log: Path, host: str = LOOPBACK) -> Child:
    """Start a broker and return it when a Kafka client gets an answer.

    Raises ConfigurationError if Java or Maven is absent, Fatal if it doesn't start.
    """
    broker = child(port, data_dir, log, host)
    broker.start()
    broker.wait_until(lambda: kafka_answers(f"{host}:{port}"), timeout_seconds=60)
    return broker
