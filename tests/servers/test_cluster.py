"""Fits on a Dask cluster of real processes: the bytes of this machine's, also when a worker is killed; and what can go wrong."""

import socket
from datetime import date
from pathlib import Path

import pytest

from nightdesk.backtest import cluster, fits
from nightdesk.backtest.cluster import require_way
from nightdesk.backtest.run import Backtest, run_backtest
from nightdesk.errors import Misconfigured, NightdeskError, TryAgain
from nightdesk.learning.model_file import load_model
from tests.cluster import running_cluster
from tests.desks import settings_in
from tests.running import free_port
from tests.strategy_documents import saved, seed
from tests.unit.test_backtest import unheard

START, END = date(2018, 2, 1), date(2018, 11, 20)


def content_of(made: Backtest) -> list[bytes]:
    walk, numbers = made.walk, made.equity.select_dtypes("number").to_numpy()
    facts = [repr((fit.cutoff, fit.status, fit.reason, fit.made.facts.metrics, fit.made.facts.majority)) for fit in walk.fits]
    arrays = (walk.champion, walk.predicted, walk.scores, walk.weights, numbers, made.history.filled)
    return [*(array.tobytes() for array in arrays), "\n".join(facts).encode()]


def test_a_cluster_gives_the_bytes_of_this_machine_also_when_a_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fits, "FEWEST_FOR_PROCESSES", 1000)
    path, heard = saved(seed(), tmp_path), []
    with running_cluster(tmp_path) as started:
        here = run_backtest(path, START, END, None, settings_in(tmp_path / "here"), unheard)

        def tell(done: int, of: int) -> None:
            heard.append((done, of))
            if done == 3:
                started.kill_worker(0)

        there = settings_in(tmp_path / "there")
        spread = run_backtest(path, START, END, None, there, tell, started.address)
    assert content_of(spread) == content_of(here)
    assert heard == [(done, 10) for done in range(11)]
    # what came back is kept: nobody is asked again, and the models that last can be loaded
    assert run_backtest(path, START, END, None, there, unheard, started.address).walk.fits_made == 0
    lasting = [fit.made.facts for fit in spread.walk.fits if fit.made.facts.file]
    assert lasting
    for facts in lasting:
        load_model(there.home / "cache" / "fits" / facts.file, facts.file_sha256)


WRONG = ["127.0.0.1:8786", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tcp://a b:8786", "tcp://h:8786/x", ""]


@pytest.mark.parametrize("address", WRONG)
def test_what_is_no_address_of_a_scheduler_is_refused_before_anything_else(address: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"^--on was .* allowed: the address of a Dask scheduler, as tcp://127"):
        run_backtest("no such strategy", None, None, None, settings_in(tmp_path), unheard, address)


def refused(address: str, folder: Path) -> NightdeskError:
    with pytest.raises(NightdeskError) as error:
        run_backtest(saved(seed(), folder), date(2018, 11, 1), END, None, settings_in(folder), unheard, address)
    return error.value


def test_a_scheduler_that_is_away_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ANSWER_WITHIN_S", 0.5)
    error = refused(f"tcp://127.0.0.1:{free_port()}", tmp_path)
    assert isinstance(error, TryAgain)
    assert error.message.startswith("No Dask scheduler answered at tcp://127.0.0.1:")


def test_what_listens_and_is_no_scheduler_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ANSWER_WITHIN_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        error = refused(f"tcp://127.0.0.1:{server.getsockname()[1]}", tmp_path)
    assert isinstance(error, TryAgain)
    assert error.message.startswith("No Dask scheduler answered at tcp://127.0.0.1:")


def test_a_worker_with_other_versions_is_refused_with_those_it_has() -> None:
    require_way("a", "a")
    with pytest.raises(
        Misconfigured, match=r"A worker has other versions .*\(numpy 2.*scikit-learn 1.*install there what is here"
    ):
        require_way("a", "b")


def test_tls_without_certificates_is_a_sentence(tmp_path: Path) -> None:
    assert refused("tls://127.0.0.1:8786", tmp_path).message.startswith("tls://127.0.0.1:8786 needs certificates")
