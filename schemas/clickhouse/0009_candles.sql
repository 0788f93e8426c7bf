-- Minute candles of each outcome, from trades and from quotes, kept up by every insert into ticks and
-- kept longer than they. A minute is one of our clock (ingest_ts). Every state is one that a
-- repeated insert can't change: the first, last, lowest and highest by the tick's own place, and
-- for sums a map from the tick's identity to its size. Whoever reads it merges the states, by minute,
-- hour or day: api/candle_queries.py.
CREATE TABLE IF NOT EXISTS {database}.candles
(
    platform     LowCardinality(String),
    market_id    String,
    outcome_id   String,
    minute       DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),

    trade_open   AggregateFunction(argMin, Nullable(Decimal(18, 8)), Tuple(DateTime64(6, 'UTC'), Int64)),
    trade_high   SimpleAggregateFunction(max, Nullable(Decimal(18, 8))),
    trade_low    SimpleAggregateFunction(min, Nullable(Decimal(18, 8))),
    trade_close  AggregateFunction(argMax, Nullable(Decimal(18, 8)), Tuple(DateTime64(6, 'UTC'), Int64)),
    trade_sizes  AggregateFunction(maxMap, Map(UInt64, Decimal(18, 8))),

    mid_open     AggregateFunction(argMin, Nullable(Decimal(18, 8)), Tuple(DateTime64(6, 'UTC'), Int64)),
    mid_high     SimpleAggregateFunction(max, Nullable(Decimal(18, 8))),
    mid_low      SimpleAggregateFunction(min, Nullable(Decimal(18, 8))),
    mid_close    AggregateFunction(argMax, Nullable(Decimal(18, 8)), Tuple(DateTime64(6, 'UTC'), Int64)),
    last_quote   AggregateFunction(argMax, Tuple(Nullable(Decimal(18, 8)), Nullable(Decimal(18, 8))), Tuple(DateTime64(6, 'UTC'), Int64)),

    stored_ts    SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (platform, market_id, outcome_id, minute)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.candles_of_trades TO {database}.candles AS
SELECT
    platform, market_id, outcome_id, toStartOfMinute(ingest_ts) AS minute,
    argMinState(price, tuple(ingest_ts, kafka_offset)) AS trade_open,
    max(price) AS trade_high,
    min(price) AS trade_low,
    argMaxState(price, tuple(ingest_ts, kafka_offset)) AS trade_close,
    maxMapState(map(cityHash64(topic_id, kafka_partition, kafka_offset),
                    coalesce(size, toDecimal64(0, 8)))) AS trade_sizes,
    max(ticks.stored_ts) AS stored_ts
FROM {database}.ticks
WHERE kind = 'trade'
GROUP BY platform, market_id, outcome_id, minute;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.candles_of_quotes TO {database}.candles AS
SELECT
    platform, market_id, outcome_id, toStartOfMinute(ingest_ts) AS minute,
    argMinState(mid, tuple(ingest_ts, kafka_offset)) AS mid_open,
    max(mid) AS mid_high,
    min(mid) AS mid_low,
    argMaxState(mid, tuple(ingest_ts, kafka_offset)) AS mid_close,
    argMaxState(tuple(bid, ask), tuple(ingest_ts, kafka_offset)) AS last_quote,
    max(ticks.stored_ts) AS stored_ts
FROM
(
    SELECT *, CAST((bid + ask) / 2, 'Nullable(Decimal(18, 8))') AS mid
    FROM {database}.ticks WHERE kind = 'quote'
) AS ticks
GROUP BY platform, market_id, outcome_id, minute;
