"""The one fork server of the tests: real processes that start with their imports made.

A test process has one fork server, and the last list of imports it was given counts. So they all stand here.
"""

import multiprocessing
from functools import cache

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.faults.day_player",
        "tests.faults.flatten_player",
        "tests.faults.order_player",
        "tests.faults.store_writers",
        "alembic.command",
        "deltalake",
        "matplotlib.backends.backend_agg",
        "matplotlib.figure",
        "mlflow.sklearn",
        "mlflow.store.tracking.sqlalchemy_store",
    ]
)


@cache
def start_fork_server() -> None:
    """Wait until its imports are made, so that no test's own limit of time pays for them."""
    first = FORKS.Process(target=int)
    first.start()
    first.join()
    assert first.exitcode == 0
