"""Tracking: what MLflow shows of fits and days. A sink: the day goes on without it."""
