-- What a venue last said of each market. The topic is compacted, and so is the table: the row with
-- the highest seen_ts of a market replaces the others, so a repeated or late record does no harm.
-- Columns are named as in schemas/market.avsc, then the Kafka identity as in ticks.
CREATE TABLE IF NOT EXISTS {database}.markets
(
    seen_ts         DateTime64(6, 'UTC'),
    platform        LowCardinality(String),
    market_id       String,
    event_id        Nullable(String),
    slug            Nullable(String),
    title           String,
    outcomes        Array(Tuple(outcome_id String, outcome String)),
    status          LowCardinality(String),
    resolution      Nullable(String),
    open_ts         Nullable(DateTime64(6, 'UTC')),
    close_ts        Nullable(DateTime64(6, 'UTC')),
    unit            LowCardinality(String),
    tick_size       Nullable(Decimal(18, 8)),
    min_size        Nullable(Decimal(18, 8)),
    fee_type        LowCardinality(Nullable(String)),
    fee_rate        Nullable(Decimal(18, 8)),
    volume          Nullable(Decimal(18, 8)),
    mechanism       LowCardinality(Nullable(String)),

    topic_id        UUID,
    kafka_partition Int32,
    kafka_offset    Int64,
    append_ts       DateTime64(6, 'UTC'),

    -- As in ticks: the insert is refused if a datum ended early or late.
    guard_before    FixedString(8) EPHEMERAL,
    guard_after     FixedString(8) EPHEMERAL,
    stored_ts       DateTime64(6, 'UTC') DEFAULT now64(6) + toIntervalSecond(
        throwIf(guard_before != guard_after, 'a record does not end where it should'))
)
ENGINE = ReplacingMergeTree(seen_ts)
ORDER BY (platform, market_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS {database}.markets_latest AS
SELECT * FROM {database}.markets FINAL;
