-- One row a published gap record: when it opens and again, with the same gap_id, when it closes.
-- Columns are named as in schemas/gap.avsc, then the Kafka identity as in ticks.
CREATE TABLE IF NOT EXISTS {database}.gaps
(
    gap_id          UUID,
    platform        LowCardinality(String),
    market_id       Nullable(String)               CODEC(ZSTD(1)),
    connection      String                         CODEC(ZSTD(1)),
    reason          LowCardinality(String),
    from_ts         Nullable(DateTime64(6, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    to_ts           Nullable(DateTime64(6, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    missed          Nullable(Int64)                CODEC(ZSTD(1)),
    detail          Nullable(String)               CODEC(ZSTD(1)),

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

    INDEX by_time append_ts TYPE minmax GRANULARITY 1,
    INDEX by_market market_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_offset kafka_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(append_ts)
ORDER BY (platform, gap_id, topic_id, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;

-- Each gap as it was last said to be. A closed state wins over an open one, whatever the order
-- in which records arrived: a gap never opens again under the same id.
CREATE VIEW IF NOT EXISTS {database}.gaps_latest AS
SELECT
    gap_id,
    newest.1 AS platform,
    newest.2 AS market_id,
    newest.3 AS connection,
    newest.4 AS reason,
    newest.5 AS from_ts,
    newest.6 AS to_ts,
    newest.7 AS missed,
    newest.8 AS detail,
    newest.9 AS append_ts,
    newest.10 AS stored_ts
FROM
(
    SELECT
        gap_id,
        argMax(
            tuple(platform, market_id, connection, reason, from_ts, to_ts, missed, detail,
                  append_ts, stored_ts),
            tuple(isNotNull(to_ts), append_ts, kafka_offset)
        ) AS newest
    FROM {database}.gaps
    GROUP BY gap_id
);
