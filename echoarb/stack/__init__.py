"""The local stack: broker, ClickHouse, registry and the processes that use them."""
