"""A Dask cluster on this machine: a scheduler and workers as processes of their own, which can be killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.running import free_port

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Cluster:
    address: str
    workers: "list[subprocess.Popen[bytes]]"

    def kill_worker(self, place: int) -> None:
        self.workers[place].kill()
        self.workers[place].wait()


@contextmanager
def running_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Started, not yet ready: a client waits for the scheduler and for a worker."""
    address = f"tcp://127.0.0.1:{free_port()}"
    scheduler = _started(folder, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2])
    asked = [address, "--host", "127.0.0.1", "--no-nanny", "--nthreads", "1", "--local-directory", str(folder)]
    cluster = Cluster(address, [_started(folder, "worker", *asked) for _ in range(workers)])
    try:
        yield cluster
    finally:
        for process in (*cluster.workers, scheduler):
            process.kill()
            process.wait()


def _started(folder: Path, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "dask", name, *arguments, "--no-dashboard"]
    own = os.environ | {"PYTHONPATH": str(CHECKOUT), "HOME": str(folder)}
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log)
