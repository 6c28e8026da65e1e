"""What happens on a trading day, one verb a file, in this order:

1. ingest: new and changed bars into the store
2. validate: refuse a bad day before it costs money
3. settle: what happened since; broker = ledger, or stop
4. engineer: features known at the close, nothing later
5. retrain: refit on the purged past, when due
6. log: params, metrics, model, data version to MLflow
7. decide: action, weight and score for each symbol, from the champion
8. order: wanted minus held, through the limits, once
9. report: performance, plots, where to look further

Each is a border post: decorator, one call into `nightdesk.day`, schema check, one log line, return.
"""
