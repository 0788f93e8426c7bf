"""Loopback servers that speak each venue's own protocol."""
