-- One row an evaluation of a pair. Columns are named as in schemas/spread.avsc, then the Kafka
-- identity as in ticks.
CREATE TABLE IF NOT EXISTS {database}.spreads
(
    ts              DateTime64(6, 'UTC')          CODEC(DoubleDelta, ZSTD(1)),
    pair_id         LowCardinality(String),
    description     String                        CODEC(ZSTD(1)),
    verified        Bool,
    legs            Array(Tuple(
        platform    String,
        probability Nullable(Decimal(18, 8)),
        bid         Nullable(Decimal(18, 8)),
        bid_size    Nullable(Decimal(18, 8)),
        ask         Nullable(Decimal(18, 8)),
        ask_size    Nullable(Decimal(18, 8)),
        quote_ts    Nullable(DateTime64(6, 'UTC')),
        unusable    Nullable(String)))            CODEC(ZSTD(1)),
    edges           Array(Tuple(
        buy         String,
        sell        String,
        difference  Nullable(Decimal(18, 8)),
        edge        Nullable(Decimal(18, 8)),
        fee_buy     Nullable(Decimal(18, 8)),
        fee_sell    Nullable(Decimal(18, 8)),
        size        Nullable(Decimal(18, 8)),
        play_money  Bool))                        CODEC(ZSTD(1)),
    max_spread      Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    max_spread_pair LowCardinality(Nullable(String)),
    best_edge       Nullable(Decimal(18, 8))      CODEC(ZSTD(1)),
    best_edge_pair  LowCardinality(Nullable(String)),
    completeness    Decimal(18, 8)                CODEC(ZSTD(1)),
    threshold       Decimal(18, 8)                CODEC(ZSTD(1)),

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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (pair_id, ts, topic_id, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;
