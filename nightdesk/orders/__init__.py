"""How an order leaves: what it is held against, when, once; and what became of it. Neither Prefect, MLflow nor scikit-learn."""
