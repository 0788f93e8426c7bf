"""Apache Kafka as the image apache/kafka starts it: server.properties from KAFKA_* variables.

KAFKA_A_B is a.b, a double underscore is one, three are a dash (docker/README.md of Apache Kafka).
Storage is formatted with CLUSTER_ID the first time.  python kafka.py JAVA JARS
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

NOT_PROPERTIES = {"KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS"}


def property_name(variable: str) -> str:
    """Return the name of the property that a variable sets."""
    name = variable.removeprefix("KAFKA_").lower()
    return name.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


def main(java: str, jars: str) -> None:
    """Write the properties, format, and become the broker."""
    properties = Path("/tmp/server.properties")  # noqa: S108 - the container's own
    lines = [
        f"{property_name(name)}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith("KAFKA_") and name not in NOT_PROPERTIES
    ]
    properties.write_text("\n".join(lines) + "\n", "utf-8")
    heap = os.environ.get("KAFKA_HEAP_OPTS", "").split()
    command = [java, *heap, "-XX:+UseSerialGC", "-cp", f"{jars}/*"]
    cluster = ("--cluster-id", os.environ["CLUSTER_ID"], "--ignore-formatted")
    formatting = (*command, "kafka.tools.StorageTool", "format", "--config", properties, *cluster)
    subprocess.run(formatting, check=True)  # noqa: S603
    os.execv(java, [*command, "kafka.Kafka", str(properties)])  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
