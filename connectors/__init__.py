"""Venue to Kafka: one folder per venue, one supervised runner for all of them."""
