-- The newest spread of each pair, kept up by every insert into spreads: what is asked for most, and
-- spreads has up to four rows a second and pair. The row with the highest ts replaces the others,
-- so a repeated insert changes nothing. Read it with FINAL.
CREATE TABLE IF NOT EXISTS {database}.latest_spreads
(
    ts              DateTime64(6, 'UTC'),
    pair_id         String,
    description     String,
    verified        Bool,
    legs            Array(Tuple(
        platform    String,
        probability Nullable(Decimal(18, 8)),
        bid         Nullable(Decimal(18, 8)),
        bid_size    Nullable(Decimal(18, 8)),
        ask         Nullable(Decimal(18, 8)),
        ask_size    Nullable(Decimal(18, 8)),
        quote_ts    Nullable(DateTime64(6, 'UTC')),
        unusable    Nullable(String))),
    edges           Array(Tuple(
        buy         String,
        sell        String,
        difference  Nullable(Decimal(18, 8)),
        edge        Nullable(Decimal(18, 8)),
        fee_buy     Nullable(Decimal(18, 8)),
        fee_sell    Nullable(Decimal(18, 8)),
        size        Nullable(Decimal(18, 8)),
        play_money  Bool)),
    max_spread      Nullable(Decimal(18, 8)),
    max_spread_pair Nullable(String),
    best_edge       Nullable(Decimal(18, 8)),
    best_edge_pair  Nullable(String),
    completeness    Decimal(18, 8),
    threshold       Decimal(18, 8),
    stored_ts       DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(ts)
ORDER BY pair_id
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.latest_of_spreads TO {database}.latest_spreads AS
SELECT
    ts, pair_id, description, verified, legs, edges, max_spread, max_spread_pair, best_edge,
    best_edge_pair, completeness, threshold, stored_ts
FROM {database}.spreads
ORDER BY ts DESC, kafka_offset DESC
LIMIT 1 BY pair_id;
