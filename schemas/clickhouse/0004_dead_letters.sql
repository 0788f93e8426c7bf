-- Records that a worker could not use. What deadletter.avsc calls topic, topic_id, partition,
-- offset and append_ts tells where the unusable record lay: those columns begin with source_ here,
-- for the plain names are this row's own place in Kafka, as in every table.
CREATE TABLE IF NOT EXISTS {database}.dead_letters
(
    failed_ts        DateTime64(6, 'UTC'),
    source_topic     LowCardinality(String),
    source_topic_id  Nullable(UUID),
    source_partition Int32,
    source_offset    Int64,
    source_append_ts Nullable(DateTime64(6, 'UTC')),
    reason           LowCardinality(String),
    detail           String           CODEC(ZSTD(1)),
    worker           LowCardinality(String),
    key              Nullable(String) CODEC(ZSTD(1)),
    value            Nullable(String) CODEC(ZSTD(1)),

    topic_id         UUID,
    kafka_partition  Int32,
    kafka_offset     Int64,
    append_ts        DateTime64(6, 'UTC'),

    -- As in ticks: the insert is refused if a datum ended early or late.
    guard_before     FixedString(8) EPHEMERAL,
    guard_after      FixedString(8) EPHEMERAL,
    stored_ts        DateTime64(6, 'UTC') DEFAULT now64(6) + toIntervalSecond(
        throwIf(guard_before != guard_after, 'a record does not end where it should')),

    INDEX by_time failed_ts TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(failed_ts)
ORDER BY (source_topic, failed_ts, topic_id, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
