"""Fits on a Dask cluster, through joblib: the rows are sent once, a fit comes back with the bytes of its model.

A fit whose worker dies is made again by another. Imported only where a cluster is asked for: it needs the extra `dask`.
"""

import asyncio
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import distributed
import joblib
import numpy as np
from distributed.comm.core import connect
from distributed.versions import VersionMismatchWarning
from joblib._dask import DaskDistributedBackend

from nightdesk.backtest.fits import Made, Task, fitted
from nightdesk.backtest.rows import PACKAGES, Rows, fit_keys
from nightdesk.errors import Misconfigured, TryAgain
from schemas.learnt import Gate, Model

ANSWER_WITHIN_S = 10
WORKER_WITHIN_S = 30
ATTEMPTS = 3
"""So often in a row, without a fit between, the cluster may lose what it was sent: rows go with the last worker that has them."""
LOST = (OSError, CancelledError, distributed.KilledWorker, distributed.client.FutureCancelledError)
"""What becomes of a call where the scheduler, or too many workers, went away; a time-out is an OSError."""


class _Backend(DaskDistributedBackend):  # type: ignore[misc]  # published without types
    """joblib's own, which waits for ever for a call that the cluster gave up: it is told of results only."""

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Future[Any]:
        future: Future[Any] = super().submit(func, callback)
        future.add_done_callback(lambda done: callback(done.exception()) if done.exception() else None)
        return future


def fits_on(address: str, tasks: Sequence[Task], model: Model, gate: Gate) -> Iterator[tuple[str, Made, bytes]]:
    """The key, the fit and its model file (b"" of a fit that needs none) of each task, in the order in which they are ready.

    Raises
    ------
    Misconfigured
        The scheduler or a worker has other versions, or another text of the code that fits.
    TryAgain
        Nobody answers at the address, no worker comes, or the cluster gave up a fit.
    """
    rows = max((task.known for task in tasks), key=lambda known: len(known.session))  # all begin with the same rows
    left, failed = {task.key: task for task in tasks}, 0
    with _client(address) as client, _told(address):
        while left:
            try:
                client.wait_for_workers(1, timeout=WORKER_WITHIN_S)
                for fit in _sent(client, rows, list(left.values()), model, gate):
                    del left[fit[0]]
                    failed = 0
                    yield fit
            except LOST:
                failed += 1
                if failed == ATTEMPTS:
                    raise


def _sent(
    client: distributed.Client, rows: Rows, tasks: Sequence[Task], model: Model, gate: Gate
) -> Iterator[tuple[str, Made, bytes]]:
    nothing, way = rows.part(0, 0), way_of_fitting(rows, model, gate)
    with joblib.parallel_config(_Backend(client=client, scatter=[rows])):
        workers = joblib.Parallel(n_jobs=-1, batch_size=1, return_as="generator_unordered")
        yield from workers(
            joblib.delayed(_sent_back)(rows, len(task.known.session), replace(task, known=nothing), model, gate, way)
            for task in tasks
        )


def way_of_fitting(rows: Rows, model: Model, gate: Gate) -> str:
    """SHA-256 over all that a fit depends on but its rows: our code, the libraries, the parameters."""
    return fit_keys(rows.part(0, 0), [np.datetime64(0, "D")], model, gate)[0]


def _sent_back(rows: Rows, learnt: int, task: Task, model: Model, gate: Gate, way: str) -> tuple[str, Made, bytes]:
    """Make a fit here, on a worker, and keep nothing."""
    require_way(way, way_of_fitting(rows, model, gate))
    with tempfile.TemporaryDirectory(prefix="nightdesk-fit-") as folder:
        made = fitted(replace(task, known=rows.part(0, learnt)), model, gate, Path(folder))
        file = Path(folder) / made.facts.file
        return task.key, made, file.read_bytes() if made.facts.file else b""


def require_way(asked: str, here: str) -> None:
    """Raise `Misconfigured` where a worker would fit in another way than it is asked to."""
    if asked != here:
        packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        raise Misconfigured(
            f"A worker has other versions of the code that fits or of the libraries ({packages}): install there what is here.",
            packages=packages,
        )


@contextmanager
def _client(address: str) -> Iterator[distributed.Client]:
    try:
        asyncio.run(asyncio.wait_for(_knock(address), ANSWER_WITHIN_S))
        with warnings.catch_warnings():
            warnings.simplefilter("error", VersionMismatchWarning)
            client = distributed.Client(address, timeout=ANSWER_WITHIN_S, set_as_default=False)
    except VersionMismatchWarning as error:
        table = " ".join(str(error).split())
        raise Misconfigured(f"The cluster at {address} has other versions than this environment: {table}", on=address) from None
    except OSError as error:
        reason = str(error) or f"nothing came within {ANSWER_WITHIN_S} s"
        raise TryAgain(f"No Dask scheduler answered at {address}: {reason}.", on=address) from None
    with client:
        yield client


async def _knock(address: str) -> None:
    """Connect and greet, once. Dask's client waits without end for a greeting that does not come."""
    certificates = distributed.Security().get_connection_args("client")
    if address.startswith("tls:") and certificates["ssl_context"] is None:
        raise Misconfigured(f"{address} needs certificates, and Dask's settings name none: docs/scaling.md.", on=address)
    comm = await connect(address, timeout=ANSWER_WITHIN_S, **certificates)
    await comm.close()


@contextmanager
def _told(address: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise Misconfigured(
            f"A worker of {address} can not import {error.name}: install there what is here.", on=address
        ) from None
    except LOST as error:
        raise TryAgain(
            f"The cluster at {address} gave up: {_first_line(error)}. Fits that were made are kept.", on=address
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
