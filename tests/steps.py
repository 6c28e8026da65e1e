"""The nine tasks of the day, in order, as a person sees them named."""

STEPS = (
    "ingest_bars",
    "validate_bars",
    "settle_books",
    "engineer_features",
    "retrain_model",
    "log_experiment",
    "generate_signal",
    "place_orders",
    "compute_performance",
)
