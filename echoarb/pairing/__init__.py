"""Pairs held against the markets that were seen: checked, and suggested."""
