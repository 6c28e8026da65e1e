"""Where a figure was measured: without it, it cannot be compared."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from benchmarks.homes import CHECKOUT

PACKAGES = ("prefect", "mlflow", "pandas", "scikit-learn", "numpy", "sqlalchemy", "pandera", "deltalake")


def machine() -> dict[str, object]:
    """Cores, memory, Python, versions, bytecode and commit."""
    return {
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "bytecode": {
            "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
            "prefect_compiled": _compiled("prefect"),
            "nightdesk_compiled": _compiled("nightdesk"),
        },
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": len(_git("status", "--porcelain").splitlines()),
    }


def load_average() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]


def _compiled(package: str) -> bool:
    spec = find_spec(package)
    return bool(spec and spec.origin and list((Path(spec.origin).parent / "__pycache__").glob("*.pyc")))


def _git(*arguments: str) -> str:
    if shutil.which("git") is None:
        return ""
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout.strip()
