"""`up`: from the command to all healthy: Prefect, MLflow, the worker, and the deployments made."""

import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from benchmarks.homes import environment
from benchmarks.measure import NIGHTDESK
from benchmarks.result import Result, Row

HEALTHY_S = 60.0
READY = b"Ctrl-C stops all of it."


def measured_up(runs: int, work: Path) -> Result:
    """The first start makes the home and its databases; those after it are what the target is for."""
    first, *later = [_start_s(work / "home", work) for _ in range(runs + 1)]
    rows = [Row("first start, in an empty home", [first], "s"), Row("later starts", later, "s", HEALTHY_S)]
    return Result("up", "nightdesk up, until it says where to look", rows)


def _start_s(home: Path, work: Path) -> float:
    with ExitStack() as taken:
        servers = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        prefect, mlflow = (str(server.getsockname()[1]) for server in servers)
    told = environment(home) | {"NIGHTDESK_PREFECT_PORT": prefect, "NIGHTDESK_MLFLOW_PORT": mlflow}
    began = perf_counter()
    with subprocess.Popen([NIGHTDESK, "up"], env=told, cwd=work, stdout=subprocess.PIPE) as process:
        said = []
        for line in process.stdout or ():
            said.append(line)
            if line.strip() == READY:
                seconds = perf_counter() - began
                process.send_signal(signal.SIGINT)
                process.wait(120)
                return seconds
    raise RuntimeError(f"nightdesk up did not get ready: {b''.join(said).decode()}")
