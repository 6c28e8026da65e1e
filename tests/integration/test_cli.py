"""The command line as a person types it: sentences instead of tracebacks, documented exit codes, one JSON document."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nightdesk.cli import main
from nightdesk.ledger.status import book_statuses
from nightdesk.settings import settings
from tests.desks import SEED, strategy_file
from tests.homes import ledger_environment
from tests.strategy_documents import NO_MLFLOW

NIGHTDESK = Path(sys.executable).parent / "nightdesk"


def run(words: list[str], home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NIGHTDESK_", "PREFECT_"))}
    home.mkdir(parents=True, exist_ok=True)
    environ = kept | {"NIGHTDESK_HOME": str(home)} | ledger_environment(home) | environment
    command = [str(NIGHTDESK), *words]
    return subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True, timeout=110, check=False)


def run_here(
    words: list[str], home: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """The same in this process, which is quicker: exit code, standard output, standard error."""
    patch.setattr(sys, "argv", ["nightdesk", *words])
    for key, value in {"NIGHTDESK_HOME": str(home), **ledger_environment(home)}.items():
        patch.setenv(key, value)
    patch.setenv("NIGHTDESK_PREFECT_API_URL", "http://127.0.0.1:9/api")
    settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main()
    settings.cache_clear()
    shown = capture.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def edited(folder: Path, old: str, new: str) -> str:
    """The path of a copy of the seed strategy with one piece of text replaced."""
    text = SEED.read_text()
    assert text.count(old) == 1
    path = folder / "edited.toml"
    path.write_text(text.replace(old, new))
    return str(path)


BAD_STRATEGIES = {
    "an unknown key": ("[gate]", "[gate]\nlucky = true", ["gate.lucky"]),
    "an unknown feature": ('"high_minus_low"', '"moon_phase"', ["features.columns", "moon_phase", "high_minus_low"]),
    "an estimator outside the allow-list": ("sklearn.svm.SVC", "os.path.join", ["model.estimator", "os.path.join", "sklearn"]),
    "an estimator that is no classifier": ("sklearn.svm.SVC", "sklearn.svm.SVR", ["sklearn.svm.SVR", "classifier"]),
    "a calendar that does not exist": ('"XNYS"', '"XMARS"', ["calendar", "XMARS", "XNYS"]),
    "no capital": ("capital = 100000", "capital = 0", ["capital", "0", "greater than 0"]),
    "capital that is no number": ("capital = 100000", "capital = nan", ["capital"]),
}


@pytest.mark.parametrize("fault", BAD_STRATEGIES)
def test_a_bad_strategy_ends_with_one_sentence_and_nothing_is_written(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, named = BAD_STRATEGIES[fault]
    home = tmp_path / "home"
    code, out, err = run_here(["day", "--strategy", edited(tmp_path, old, new)], home, monkeypatch, capsys)
    assert (code, out) == (2, "")
    (sentence,) = [line for line in err.splitlines() if line.startswith("nightdesk: ")]
    assert all(word in sentence for word in named), sentence
    assert "Traceback" not in err
    assert not (home / "store").exists() and book_statuses(home) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["day", "--session", "yesterday"], ["session", "yesterday", "2018-12-31"]),
        (["day", "--session", "2018-12-30"], ["2018-12-30", "2018-12-28 and 2018-12-31"]),
        (["day", "--session", "2031-01-02"], ["2031-01-02", "1999-01-04 to 2018-12-31"]),
        (["day", "--strategy", "nobody"], ["nobody", "sp500_svc"]),
        (["backfill", "--sessions", "9999"], ["9999", "1 to 5031"]),
    ],
)
def test_a_bad_argument_ends_with_one_sentence_and_exit_code_2(
    words: list[str], named: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run_here(words, tmp_path, monkeypatch, capsys)
    assert code == 2 and "Traceback" not in err
    assert all(word in err for word in named), err
    assert book_statuses(tmp_path) == []


def test_with_prefect_down_the_day_runs_as_plain_functions_and_is_marked(tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = ["day", "--session", "2018-12-20", "--strategy", strategy_file(tmp_path), "--json"]
    ended = run(words, home, NIGHTDESK_PREFECT_API_URL="http://127.0.0.1:9/api", NIGHTDESK_MLFLOW_URI=NO_MLFLOW)
    document = json.loads(ended.stdout)
    assert ended.returncode == 0 and document["orchestrated"] is False and "unorchestrated" in ended.stderr
    wanted = {"session", "outcome", "reason", "decision_sha256", "signal", "orders", "holdings", "cash", "equity"}
    assert wanted <= set(document) and document["session"] == "2018-12-20" and len(document["decision_sha256"]) == 64
    shown = json.loads(run(["status", "--json"], home).stdout)
    assert [book["equity"] for book in shown["books"]] == [document["equity"]]
    assert "paper/cheap/cheap" in run(["status"], home).stdout


def test_a_fresh_home_has_no_book_and_status_says_what_to_do(tmp_path: Path) -> None:
    ended = run(["status"], tmp_path)
    assert ended.returncode == 0 and "No book yet" in ended.stdout and "nightdesk day" in ended.stdout


def test_doctor_is_content_with_a_fresh_home_and_names_what_is_not(tmp_path: Path) -> None:
    good = run(["doctor", "--json"], tmp_path)
    assert good.returncode == 0 and all(row["ok"] for row in json.loads(good.stdout))
    bad = run(["doctor"], tmp_path, NIGHTDESK_MLFLOW_URI="http://127.0.0.1:9")
    assert bad.returncode == 2 and "BAD  mlflow" in bad.stdout and "Traceback" not in bad.stderr


def test_a_setting_out_of_its_range_is_named(tmp_path: Path) -> None:
    ended = run(["status"], tmp_path, NIGHTDESK_PREFECT_PORT="70000")
    assert ended.returncode == 2 and "NIGHTDESK_PREFECT_PORT" in ended.stderr and "70000" in ended.stderr


def test_what_a_day_says_while_it_waits_reaches_the_person_at_the_terminal(tmp_path: Path) -> None:
    program = """
import logging, sys
import nightdesk.ledger.status as status
from nightdesk.cli import main
status.book_statuses = lambda home: logging.getLogger("nightdesk.day.ingest").warning("The bar is late.") or []
sys.argv = ["nightdesk", "status"]
main()
"""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NIGHTDESK_", "PREFECT_"))}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=kept, capture_output=True, text=True, check=True)
    assert done.stderr == "nightdesk: The bar is late.\n"
