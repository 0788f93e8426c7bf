-- One row a published alert record: raised, changed, acknowledged, cleared. Columns are named as in
-- schemas/alert.avsc, then the Kafka identity as in ticks.
CREATE TABLE IF NOT EXISTS {database}.alerts
(
    alert_id        UUID,
    ts              DateTime64(6, 'UTC')           CODEC(DoubleDelta, ZSTD(1)),
    rule            LowCardinality(String),
    subject         String                         CODEC(ZSTD(1)),
    state           LowCardinality(String),
    severity        LowCardinality(String),
    raised_ts       DateTime64(6, 'UTC')           CODEC(DoubleDelta, ZSTD(1)),
    cleared_ts      Nullable(DateTime64(6, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    platform        LowCardinality(Nullable(String)),
    market_id       Nullable(String)               CODEC(ZSTD(1)),
    pair_id         Nullable(String)               CODEC(ZSTD(1)),
    value           Nullable(Decimal(18, 8))       CODEC(ZSTD(1)),
    threshold       Nullable(Decimal(18, 8))       CODEC(ZSTD(1)),
    unit            LowCardinality(Nullable(String)),
    message         String                         CODEC(ZSTD(1)),
    detail          Nullable(String)               CODEC(ZSTD(1)),
    acknowledged_by Nullable(String)               CODEC(ZSTD(1)),
    acknowledged_ts Nullable(DateTime64(6, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    acknowledged_note Nullable(String)             CODEC(ZSTD(1)),

    topic_id        UUID                           CODEC(ZSTD(1)),
    kafka_partition Int32                          CODEC(ZSTD(1)),
    kafka_offset    Int64                          CODEC(Delta, ZSTD(1)),
    append_ts       DateTime64(6, 'UTC')           CODEC(DoubleDelta, ZSTD(1)),

    -- As in ticks: the insert is refused if a datum ended early or late.
    guard_before    FixedString(8) EPHEMERAL,
    guard_after     FixedString(8) EPHEMERAL,
    stored_ts       DateTime64(6, 'UTC') DEFAULT now64(6) + toIntervalSecond(
        throwIf(guard_before != guard_after, 'a record does not end where it should'))
        CODEC(DoubleDelta, ZSTD(1)),

    INDEX by_offset kafka_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(raised_ts)
ORDER BY (rule, subject, alert_id, topic_id, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;

-- Each alert as it was last said to be. Cleared wins over the rest, whatever the order in which
-- records arrived; an acknowledgement, which the API publishes, stays whatever comes after it.
CREATE VIEW IF NOT EXISTS {database}.alerts_latest AS
SELECT
    alert_id,
    newest.1 AS rule,
    newest.2 AS subject,
    multiIf(isNotNull(newest.5), 'cleared', isNotNull(acknowledged.2), 'acknowledged', 'raised')
        AS state,
    newest.3 AS severity,
    newest.4 AS raised_ts,
    newest.5 AS cleared_ts,
    newest.6 AS platform,
    newest.7 AS market_id,
    newest.8 AS pair_id,
    newest.9 AS value,
    newest.10 AS threshold,
    newest.11 AS unit,
    newest.12 AS message,
    newest.13 AS detail,
    acknowledged.1 AS acknowledged_by,
    acknowledged.2 AS acknowledged_ts,
    acknowledged.3 AS acknowledged_note,
    newest.14 AS ts
FROM
(
    SELECT
        alert_id,
        argMaxIf(
            tuple(rule, subject, severity, raised_ts, cleared_ts, platform, market_id, pair_id,
                  value, threshold, unit, message, detail, ts),
            tuple(isNotNull(cleared_ts), ts, kafka_offset),
            state != 'acknowledged'
        ) AS newest,
        argMin(
            tuple(acknowledged_by, acknowledged_ts, acknowledged_note),
            tuple(isNull(acknowledged_ts), ts, kafka_offset)
        ) AS acknowledged
    FROM {database}.alerts
    GROUP BY alert_id
    HAVING countIf(state != 'acknowledged') > 0
);
