"""The nine steps of the day as plain functions over a Desk, and what joins them.

1 ingest, 2 validate, 3 settle, 4 engineer, 5 retrain, 6 log, 7 decide, 8 order, 9 report: one file each.
"""
