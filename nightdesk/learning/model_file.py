"""A model on disk: a skops file, read only if its hash is the one we wrote down."""

import hashlib
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.learning.digest import model_sha256

TRUSTED_TYPES = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
"""What scikit-learn's own classifiers are made of, beside what skops trusts anyway. Never what a file asks for."""

BROKEN = (BadZipFile, ValueError, TypeError, KeyError, AttributeError, ImportError, EOFError, NotImplementedError, RecursionError)
"""What skops raises on a file that it did not write, or that needs a type which is not trusted (a TypeError)."""


def save_model(estimator: Any, folder: Path) -> tuple[Path, str]:
    """Write `<model_sha256>.skops` whole or not at all; return its path and the SHA-256 of its bytes.

    A file of that name is kept: two dumps of one model differ in their bytes.

    Raises
    ------
    Misconfigured
        The estimator has no canonical identity, or would not load again.
    """
    path = folder / f"{model_sha256(estimator)}.skops"
    if not path.exists():
        import skops.io  # imports all of scikit-learn

        content = skops.io.dumps(estimator)
        _loaded(content, path)
        return path, save_model_file(content, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def save_model_file(content: bytes, path: Path) -> str:
    """Write a model file whole or not at all, where there is none; return the SHA-256 of the bytes that are there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_model(path: Path, file_sha256: str) -> Any:
    """The estimator in a file, whose bytes are read once and compared with `file_sha256` before anything else.

    Raises
    ------
    OutOfSync
        The file is missing, or is not the one that was written down.
    Misconfigured
        The file is no skops file, or holds a type that is not in `TRUSTED_TYPES`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise OutOfSync(f"The model file {path} does not exist.", path=path) from None
    found = hashlib.sha256(content).hexdigest()
    if found != file_sha256:
        raise OutOfSync(f"The model file {path} has SHA-256 {found}, the ledger says {file_sha256}.", path=path, found=found)
    return _loaded(content, path)


def _loaded(content: bytes, path: Path) -> Any:
    import skops.io  # see above

    try:
        return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    except BROKEN as error:
        first = str(error).partition("\n")[0]
        raise Misconfigured(f"The model file {path} can not be loaded: {first}", path=path) from None


def _write_whole(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
