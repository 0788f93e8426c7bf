"""The contract: records, topics, codec, registry, ClickHouse tables, settings base and errors.

Everything here is shared by connectors, agents and api; nothing here imports them.
"""
