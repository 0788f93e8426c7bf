"""The Pipeline board's panels of the sink and of ClickHouse's tables."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table, timeseries

from grafana.clickhouse import rows
from grafana.measured import course, mean, quantile, rate
from grafana.panels import GREEN, RED, YELLOW, grid, levels, with_


def panels() -> list[timeseries.Panel]:
    """Return what the sink's metrics say."""
    return [
        course(
            "Rows stored by table",
            "What reaches ClickHouse.",
            (rate("echoarb_sink_rows_total", "table"), "{{table}}"),
        ),
        course(
            "Lag",
            "Records on Kafka that are not stored and committed yet.",
            ("echoarb:sink_lag_records:sum", "records {{namespace}}"),
            unit="short",
            limit=100_000,
        ),
        course(
            "Batch size",
            "Rows of an insert, on average. Small batches make many parts.",
            (mean("echoarb_sink_batch_rows", "table"), "{{table}}"),
            unit="short",
        ),
        course(
            "Insert time",
            "p50, p95 and p99 of all tables, and p95 of the ticks' own.",
            (quantile(0.5, "echoarb_sink_insert_seconds"), "p50"),
            (quantile(0.95, "echoarb_sink_insert_seconds"), "p95"),
            (quantile(0.99, "echoarb_sink_insert_seconds"), "p99"),
            (quantile(0.95, "echoarb_sink_insert_seconds", where='table="ticks"'), "ticks p95"),
            unit="s",
            limit=5,
        ),
        course(
            "Retries",
            "Attempts to store that failed and are tried again.",
            (rate("echoarb_sink_retries_total", "table"), "{{table}}"),
        ),
        course(
            "Waiting for something unreachable",
            "1 while a table's sink waits for ClickHouse, Kafka or the registry to come back.",
            ("max by (table) (echoarb_sink_waiting)", "{{table}}"),
            unit="short",
        ),
        course(
            "Dead letters by reason",
            "Records that can't be stored. None is normal.",
            (rate("echoarb_sink_dead_letters_total", "reason"), "{{reason}}"),
        ),
        course(
            "Skipped, abandoned, made ready ahead",
            "Records read again that were stored before; batches that went to another sink; "
            "batches made ready during the insert before.",
            (rate("echoarb_sink_skipped_total"), "records skipped"),
            (rate("echoarb_sink_abandoned_total"), "batches abandoned"),
            (rate("echoarb_sink_ahead_total"), "batches ahead"),
        ),
    ]


def tables() -> list[table.Panel]:
    """Return what ClickHouse says of its tables: of the server that is asked, in a cluster."""
    sizes = rows("""
        SELECT name AS Table, engine AS Engine, total_rows AS Rows, total_bytes AS Disk,
            total_bytes / nullIf(total_rows, 0) AS PerRow,
            total_bytes_uncompressed / nullIf(total_bytes, 0) AS Compression,
            active_parts AS Parts, parts - active_parts AS Inactive
        FROM system.tables
        WHERE database = currentDatabase() AND total_rows IS NOT NULL
        ORDER BY total_bytes DESC, name
        LIMIT 50
    """)
    crowded = rows("""
        SELECT table AS Table, partition AS Partition, count() AS Parts, sum(rows) AS Rows,
            sum(bytes_on_disk) AS Disk
        FROM system.parts
        WHERE database = currentDatabase() AND active
        GROUP BY table, partition
        ORDER BY Parts DESC, Table, Partition
        LIMIT 20
    """)
    size = grid(
        "On disk",
        "Rows, bytes and parts of each table, on the server that is asked.",
        [sizes],
        unit="short",
        width=14,
        no_data="No tables: echoarb migrate has not run",
    )
    size.override_by_name("Disk", with_(unit="bytes"))
    size.override_by_name("PerRow", with_(unit="bytes", decimals=1, displayName="Bytes a row"))
    size.override_by_name("Compression", with_(decimals=1))
    parts = grid(
        "Parts",
        "Partitions with most parts. ClickHouse slows inserts down at 1,000 parts of a partition "
        "and refuses them at 3,000. Grafana's user needs SELECT on system.parts.",
        [crowded],
        unit="short",
        width=10,
        no_data="No parts: nothing is stored yet",
    )
    limits = levels(GREEN, (300, YELLOW), (1000, RED)).build()
    parts.override_by_name(
        "Parts", with_(thresholds=limits, custom__cellOptions={"type": "color-text"})
    )
    parts.override_by_name("Disk", with_(unit="bytes"))
    return [size, parts]
