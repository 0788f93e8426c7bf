-- One row a published histogram: one minute of one stage, counted on one part. Of a minute that was
-- published several times the highest version counts: read it with FINAL. Columns are named as in
-- schemas/latency.avsc, then the Kafka identity as in ticks.
CREATE TABLE IF NOT EXISTS {database}.latency
(
    slot_ts         DateTime64(6, 'UTC')          CODEC(DoubleDelta, ZSTD(1)),
    platform        LowCardinality(String),
    stage           LowCardinality(String),
    part            String                        CODEC(ZSTD(1)),
    version         Int64                         CODEC(ZSTD(1)),
    count           Int64                         CODEC(ZSTD(1)),
    missing         Int64                         CODEC(ZSTD(1)),
    negative        Int64                         CODEC(ZSTD(1)),
    sum_us          Int64                         CODEC(ZSTD(1)),
    min_us          Nullable(Int64)               CODEC(ZSTD(1)),
    max_us          Nullable(Int64)               CODEC(ZSTD(1)),
    buckets         Array(Tuple(bucket Int32, count Int64)) CODEC(ZSTD(1)),
    floor_us        Nullable(Int64)               CODEC(ZSTD(1)),
    emit_ts         DateTime64(6, 'UTC')          CODEC(DoubleDelta, ZSTD(1)),

    topic_id        UUID                          CODEC(ZSTD(1)),
    kafka_partition Int32                         CODEC(ZSTD(1)),
    kafka_offset    Int64                         CODEC(Delta, ZSTD(1)),
    append_ts       DateTime64(6, 'UTC')          CODEC(DoubleDelta, ZSTD(1)),

    -- As in ticks: the insert is refused if a datum ended early or late.
    guard_before    FixedString(8) EPHEMERAL,
    guard_after     FixedString(8) EPHEMERAL,
    stored_ts       DateTime64(6, 'UTC') DEFAULT now64(6) + toIntervalSecond(
        throwIf(guard_before != guard_after, 'a record does not end where it should'))
        CODEC(DoubleDelta, ZSTD(1)),

    INDEX by_offset kafka_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(slot_ts)
ORDER BY (platform, stage, slot_ts, part)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
