"""Model files: the hash first, then a fixed list of types; nothing in a file is ever run."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.learning.digest import model_sha256
from nightdesk.learning.model_file import load_model, save_model

X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, 0] > 0).astype(int)


class Planted:
    """A pickle that leaves a file behind when it is read."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.witness,)


def planted(folder: Path, content: bytes) -> tuple[Path, str]:
    path = folder / "planted.skops"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("estimator", [SVC(), RandomForestClassifier(5), HistGradientBoostingClassifier(max_iter=5)])
def test_a_saved_model_loads_and_predicts_the_same(estimator: Pipeline, tmp_path: Path) -> None:
    estimator.fit(X, Y)
    path, file_sha256 = save_model(estimator, tmp_path / "models")
    assert path.name == f"{model_sha256(estimator)}.skops"
    assert (load_model(path, file_sha256).predict(X) == estimator.predict(X)).all()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_model_that_is_there_is_kept_byte_for_byte(tmp_path: Path) -> None:
    model = SVC().fit(X, Y)
    path, first = save_model(model, tmp_path)
    written = path.read_bytes()
    assert skops.io.dumps(model) != written
    assert save_model(SVC().fit(X, Y), tmp_path) == (path, first)
    assert path.read_bytes() == written


def test_one_changed_byte_is_out_of_sync_and_names_the_file(tmp_path: Path) -> None:
    path, file_sha256 = save_model(SVC().fit(X, Y), tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(OutOfSync, match=path.name):
        load_model(path, file_sha256)


def test_a_missing_file_is_out_of_sync(tmp_path: Path) -> None:
    with pytest.raises(OutOfSync, match="does not exist"):
        load_model(tmp_path / "gone.skops", "00")


@pytest.mark.parametrize("known", [True, False])
def test_a_planted_pickle_is_never_run(tmp_path: Path, known: bool) -> None:
    witness = tmp_path / "witness"
    path, file_sha256 = planted(tmp_path, pickle.dumps(Planted(witness)))
    with pytest.raises(Misconfigured if known else OutOfSync):
        load_model(path, file_sha256 if known else "00")
    assert not witness.exists()
    pickle.loads(path.read_bytes())
    assert witness.exists()  # it would have


def test_a_type_that_is_not_trusted_is_refused_whatever_the_file_says(tmp_path: Path) -> None:
    path, file_sha256 = planted(tmp_path, skops.io.dumps(FunctionTransformer(func=os.getcwd)))
    with pytest.raises(Misconfigured, match="Untrusted types"):
        load_model(path, file_sha256)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    whole = skops.io.dumps(SVC().fit(X, Y))
    with pytest.raises(Misconfigured, match="planted"):
        load_model(*planted(tmp_path, whole[: len(whole) // 2]))


def test_a_model_that_would_not_load_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="Untrusted types"):
        save_model(FunctionTransformer(func=os.getcwd), tmp_path / "models")
    assert not (tmp_path / "models").exists()
