"""Doors to brokers, one adapter a file."""
