"""The Pipeline board's panels of our processes: what runs, and what it takes of the machine."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from grafana.measured import Query, course


def panels() -> list[timeseries.Panel]:
    """Return them."""
    return [
        course(
            "Memory",
            "Resident memory of each process.",
            _ours("process_resident_memory_bytes"),
            unit="bytes",
            limit=600 * 1024 * 1024,
        ),
        course(
            "CPU",
            "Cores in use. A process of ours can't use much more than one.",
            _ours("rate(process_cpu_seconds_total[$__rate_interval])"),
            unit="short",
        ),
        course(
            "File descriptors",
            "Share of those that the process may open. Each WebSocket client takes one.",
            _ours("process_open_fds / process_max_fds"),
            unit="percentunit",
            limit=0.8,
        ),
        course(
            "Processes: running since",
            "How long each process has run. Saw teeth are restarts.",
            _ours("(time() - process_start_time_seconds)"),
            unit="s",
        ),
        course(
            "Processes by version",
            "How many of each component run which version.",
            ("count by (component, version) (echoarb_build_info)", "{{component}} {{version}}"),
            unit="short",
        ),
        course(
            "Targets that answer",
            "1 while Prometheus gets metrics from a process of ours.",
            ('up{job=~".*echoarb.*"}', "{{job}} {{instance}}"),
            unit="short",
        ),
    ]


def _ours(expr: str) -> Query:
    """Return what holds of our processes, named by their component."""
    joined = f"{expr} * on (job, instance) group_left (component) echoarb_build_info"
    return f"max by (component, instance) ({joined})", "{{component}} {{instance}}"
