"""nightdesk up"""


def up() -> None:
    """Start Prefect, MLflow and a worker on this machine, and apply the deployments."""
