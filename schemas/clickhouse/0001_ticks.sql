-- One row a tick. Columns are named as in schemas/tick.avsc, followed by where the record lay in
-- Kafka. A record's identity is (topic_id, kafka_partition, kafka_offset): a topic made anew counts
-- from 0 again, and its rows must neither hide nor replace those of the old one.
--
-- The order key is a function of the record alone and ends in the identity, and so is the
-- partition: a record that is stored twice gives rows that merges and FINAL fold into one.
-- How long rows are kept is a setting: schemas/migrate.py.
CREATE TABLE IF NOT EXISTS {database}.ticks
(
    ingest_ts       DateTime64(6, 'UTC')          CODEC(DoubleDelta, ZSTD(1)),
    emit_ts         DateTime64(6, 'UTC')          CODEC(DoubleDelta, ZSTD(1)),
    source_ts       Nullable(DateTime64(6, 'UTC')) CODEC(DoubleDelta, ZSTD(1)),
    platform        LowCardinality(String),
    market_id       String                        CODEC(ZSTD(1)),
    outcome_id      String                        CODEC(ZSTD(1)),
    outcome         Nullable(String)              CODEC(ZSTD(1)),
    kind            LowCardinality(String),
    price           Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    size            Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    bid             Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    bid_size        Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    ask             Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    ask_size        Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    side            LowCardinality(Nullable(String)),
    volume          Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    open_interest   Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    sequence        Nullable(Int64)               CODEC(ZSTD(1)),
    tick_id         UUID                          CODEC(NONE), -- a hash: nothing to compress

    topic_id        UUID                          CODEC(ZSTD(1)),
    kafka_partition Int32                         CODEC(ZSTD(1)),
    kafka_offset    Int64                         CODEC(Delta, ZSTD(1)),
    append_ts       DateTime64(6, 'UTC')          CODEC(DoubleDelta, ZSTD(1)),

    -- The sink joins datums without reading them, and puts one random word before and one after
    -- each. Where the two differ, a datum ended early or late, and the insert is refused whole.
    guard_before    FixedString(8) EPHEMERAL,
    guard_after     FixedString(8) EPHEMERAL,
    stored_ts       DateTime64(6, 'UTC') DEFAULT now64(6) + toIntervalSecond(
        throwIf(guard_before != guard_after, 'a record does not end where it should'))
        CODEC(DoubleDelta, ZSTD(1)),

    -- "the last ten minutes of everything"
    INDEX by_time ingest_ts TYPE minmax GRANULARITY 1,
    INDEX by_outcome outcome_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_tick_id tick_id TYPE bloom_filter(0.01) GRANULARITY 4,
    -- what the sink asks when it is given a partition: what is stored from this offset on?
    INDEX by_offset kafka_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(ingest_ts)
ORDER BY (platform, market_id, ingest_ts, topic_id, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
