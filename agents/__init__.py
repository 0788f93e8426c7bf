"""Kafka to ClickHouse: Faust agents on a batching transport."""
