-- The newest quote and the newest trade of each outcome, kept up by every insert into ticks. The row
-- with the highest ingest_ts replaces the others, so a repeated insert changes nothing. Read it
-- with FINAL.
CREATE TABLE IF NOT EXISTS {database}.latest
(
    ingest_ts     DateTime64(6, 'UTC'),
    emit_ts       DateTime64(6, 'UTC'),
    source_ts     Nullable(DateTime64(6, 'UTC')),
    platform      LowCardinality(String),
    market_id     String,
    outcome_id    String,
    outcome       Nullable(String),
    kind          LowCardinality(String),
    price         Nullable(Decimal(18, 8)),
    size          Nullable(Decimal(18, 8)),
    bid           Nullable(Decimal(18, 8)),
    bid_size      Nullable(Decimal(18, 8)),
    ask           Nullable(Decimal(18, 8)),
    ask_size      Nullable(Decimal(18, 8)),
    side          LowCardinality(Nullable(String)),
    volume        Nullable(Decimal(18, 8)),
    open_interest Nullable(Decimal(18, 8)),
    sequence      Nullable(Int64),
    tick_id       UUID,
    stored_ts     DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(ingest_ts)
ORDER BY (platform, market_id, outcome_id, kind)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.latest_of_ticks TO {database}.latest AS
SELECT
    ingest_ts, emit_ts, source_ts, platform, market_id, outcome_id, outcome, kind, price, size,
    bid, bid_size, ask, ask_size, side, volume, open_interest, sequence, tick_id, stored_ts
FROM {database}.ticks
ORDER BY ingest_ts DESC, kafka_offset DESC
LIMIT 1 BY platform, market_id, outcome_id, kind;
