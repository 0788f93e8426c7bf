"""ClickHouse and Kafka to REST and WebSocket clients."""
