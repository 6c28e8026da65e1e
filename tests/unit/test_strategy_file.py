"""The strategy file: what is wrong is refused in one sentence with the key, the value and what is allowed."""

import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import get_args, get_origin

import pytest

from nightdesk.day.play import play_day
from nightdesk.errors import Misconfigured
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.settings import Settings
from nightdesk.wiring.strategies import load_strategy
from schemas.strategy import Strategy
from tests.desks import settings_in
from tests.strategy_documents import NO_MLFLOW, Document, saved, seed, two_instruments, with_key
from tests.unit.test_strategy_docs import keys

FIELDS = dict(keys(Strategy))
MONDAY = date(2018, 12, 3)
LISTED = ("features.columns", "model.params", "gate.require", "search.features", "search.thresholds")


def load(document: Document, folder: Path) -> Strategy:
    return load_strategy(saved(document, folder), settings_in(folder / "home"))


def refusal(document: Document, folder: Path) -> str:
    """The sentence with which a day refuses to start; nothing of the book exists then."""
    with pytest.raises(Misconfigured) as refused:
        play_day(saved(document, folder), MONDAY, "paper", "manual", settings_in(folder / "home", mlflow_uri=NO_MLFLOW))
    message = refused.value.message
    assert message.endswith(".") and "\n" not in message and "pydantic" not in message
    assert not (folder / "home" / "broker").exists()
    if ledger_file(folder / "home", "paper").exists():
        assert Ledger(ledger_file(folder / "home", "paper")).books() == []
    return message


def shown(key: str) -> str:
    """A key as a refusal names it: instruments are counted."""
    return key.replace("instruments.", "instruments.0.")


def test_the_seed_strategy_and_its_cheap_copy_load(tmp_path: Path) -> None:
    assert load_strategy("sp500_svc", Settings()).name == "sp500_svc"
    assert load(seed(), tmp_path).model.estimator == "sklearn.linear_model.LogisticRegression"


@pytest.mark.parametrize("table", ["", "market.", "market.instruments.", "features.", "target.", "model.", "gate."])
def test_an_unknown_key_is_refused_by_name(table: str, tmp_path: Path) -> None:
    assert f"{shown(table)}colour is not a key of a strategy file" in refusal(with_key(seed(), f"{table}colour", 1), tmp_path)


def test_an_unknown_key_of_every_other_table_is_refused_too(tmp_path: Path) -> None:
    for table in ("sizing", "costs", "limits", "broker"):
        assert f"{table}.colour is not a key" in refusal(with_key(seed(), f"{table}.colour", "red"), tmp_path)
    assert "colours is not a key" in refusal({**seed(), "colours": {"red": 1}}, tmp_path)


@pytest.mark.parametrize("key", sorted(key for key, info in FIELDS.items() if info.is_required()))
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    assert f"{shown(key)} is missing" in refusal(with_key(seed(), key, None), tmp_path)


@pytest.mark.parametrize("table", ["market", "features", "target", "model", "gate", "sizing", "costs", "limits", "broker"])
def test_a_missing_table_is_named(table: str, tmp_path: Path) -> None:
    assert f"{table} is missing" in refusal(with_key(seed(), table, None), tmp_path)


@pytest.mark.parametrize("key", sorted(FIELDS))
def test_a_value_of_the_wrong_type_is_refused_with_key_and_value(key: str, tmp_path: Path) -> None:
    wrong = "wrong" if key in LISTED else [[1]]
    message = refusal(with_key(seed(), key, wrong), tmp_path)
    assert f"{shown(key)} was {wrong!r}, allowed: " in message


def out_of_range() -> Iterator[tuple[str, float, str]]:
    """For each bound of each numeric key: a value just beyond it, and the bound as it is written."""
    for key, info in FIELDS.items():
        for rule in info.metadata:
            for name, by in (("gt", 0), ("lt", 0), ("ge", -1), ("le", 1)):
                bound = getattr(rule, name, None)
                if bound is not None:
                    step = 1 if info.annotation is int else 1e-6 * max(1.0, float(bound))
                    value = float(bound) + by * step
                    yield key, int(value) if info.annotation is int else value, f"{float(bound):.0f}"


@pytest.mark.parametrize(("key", "value", "bound"), list(out_of_range()))
def test_a_number_beyond_its_bound_is_refused_with_key_value_and_bound(
    key: str, value: float, bound: str, tmp_path: Path
) -> None:
    said, _, allowed = refusal(with_key(seed(), key, value), tmp_path).partition(", allowed: ")
    assert f"{key} was {value!r}" in said
    assert bound in allowed.replace(",", "") or f"{float(bound):.1E}" in allowed


NUMERIC = sorted({key for key, _, _ in out_of_range()})


def test_numeric_keys_are_those_that_have_bounds() -> None:
    numbers = {int, float, Decimal}
    single = {key: info.annotation for key, info in FIELDS.items() if get_origin(info.annotation) is not tuple}
    numeric = {key for key, kind in single.items() if numbers & {kind, *get_args(kind)}}
    assert set(NUMERIC) == numeric
    assert len(NUMERIC) > 15


@pytest.mark.parametrize("key", NUMERIC)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused(key: str, value: float, tmp_path: Path) -> None:
    assert f"{key} was {value!r}, allowed: " in refusal(with_key(seed(), key, value), tmp_path)


@pytest.mark.parametrize("key", ["market.instruments.signal", "market.instruments.prices"])
@pytest.mark.parametrize("symbol", ["", "gspc", "GS PC", "^^GSPC", "A;B", "../etc", "TOOLONGX", "'x'"])
def test_a_bad_data_symbol_is_refused(key: str, symbol: str, tmp_path: Path) -> None:
    assert f"{shown(key)} was {symbol!r}, allowed: " in refusal(with_key(seed(), key, symbol), tmp_path)


@pytest.mark.parametrize("symbol", ["^GSPC", "", "spy", "SPY\n", "SPY "])
def test_a_bad_order_symbol_is_refused(symbol: str, tmp_path: Path) -> None:
    document = with_key(seed(), "market.instruments.instrument", symbol)
    assert f"market.instruments.0.instrument was {symbol!r}, allowed: " in refusal(document, tmp_path)


@pytest.mark.parametrize(
    "estimator",
    ["os.system", "builtins.eval", "sklearnx.svm.SVC", "sklearn.svm.svc", "SVC", "sklearn..SVC", "", "xgboost.XGBClassifier"],
)
def test_an_estimator_outside_the_allowed_packages_is_refused(estimator: str, tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "model.estimator", estimator), tmp_path)
    assert f"model.estimator was {estimator!r}, allowed: " in message and "sklearn" in message


@pytest.mark.parametrize("estimator", ["sklearn.svm.Nothing", "sklearn.nothing.SVC", "sklearn.svm.SVR"])
def test_an_estimator_that_does_not_exist_or_is_no_classifier_is_refused(estimator: str, tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "model.estimator", estimator), tmp_path)
    assert f"model.estimator was {estimator!r}, allowed: " in message and "classifier" in message


def test_a_parameter_that_the_estimator_has_not_or_does_not_take_is_refused(tmp_path: Path) -> None:
    assert "model.params.colour was 1, allowed: one of C, " in refusal(with_key(seed(), "model.params.colour", 1), tmp_path)
    assert "model.params.C was -1, allowed: " in refusal(with_key(seed(), "model.params.C", -1), tmp_path)


def test_an_unknown_feature_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "features.columns", ["high_minus_low", "tomorrow"]), tmp_path)
    assert message.startswith(
        "features.columns was 'tomorrow', allowed: open_minus_close, high_minus_low, an indicator of TA-Lib"
    )
    assert "features.columns was [], allowed: " in refusal(with_key(seed(), "features.columns", []), tmp_path)


def test_a_feature_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    assert "features.columns was " in refusal(with_key(seed(), "features.columns", ["high_minus_low"] * 2), tmp_path)


@pytest.mark.parametrize("capital", [0, -1, -0.01, "nothing", True])
def test_a_capital_that_is_no_positive_amount_is_refused(capital: object, tmp_path: Path) -> None:
    assert f"capital was {capital!r}, allowed: " in refusal(with_key(seed(), "capital", capital), tmp_path)


def test_a_currency_that_the_source_does_not_quote_in_is_refused(tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "market.currency", "EUR"), tmp_path)
    assert message == "market.currency was 'EUR', allowed: USD, as sample quotes in it."


@pytest.mark.parametrize("calendar", ["XXXX", "", "NYSE please"])
def test_a_calendar_that_does_not_exist_is_refused(calendar: str, tmp_path: Path) -> None:
    message = refusal(with_key(seed(), "market.calendar", calendar), tmp_path)
    assert f"calendar was {calendar!r}, allowed: " in message and "XNYS" in message


@pytest.mark.parametrize("key", ["instrument", "instrument_id"])
def test_two_instruments_need_names_and_ids_of_their_own(key: str, tmp_path: Path) -> None:
    document = two_instruments(seed())
    rows = document["market"]["instruments"]
    rows[1][key] = rows[0][key]
    message = refusal(document, tmp_path)
    assert "market.instruments was " in message and f"a distinct {key} for each" in message


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    message = refusal(with_key(with_key(seed(), "capital", -1), "model.train_fraction", 2), tmp_path)
    assert "capital was -1" in message and "model.train_fraction was 2" in message


@pytest.mark.parametrize("content", [b"capital = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused_with_the_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match="is not a TOML file") as refused:
        load_strategy(str(path), settings_in(tmp_path / "home"))
    assert str(path) in refused.value.message and "\n" not in refused.value.message


def test_a_name_without_a_file_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    saved(seed(), tmp_path)
    here = Settings(home=tmp_path / "home", strategies=tmp_path)
    with pytest.raises(Misconfigured, match=r"strategy was 'nothing', allowed: .*: strategy\.$"):
        load_strategy("nothing", here)


# kinds of strategies

RULE: Document = {"name": "buy_and_hold"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"rule": RULE},
            "[features], [target], [model], [gate], [rule] stand together, allowed: [features], [target], [model] and",
        ),
        (
            dict.fromkeys(("features", "target", "model", "gate")),
            "features, target, model, gate is missing, as are rule and weights",
        ),
        (
            {**dict.fromkeys(("features", "target", "model", "gate")), "rule": RULE, "weights": {"file": "a.csv"}},
            "[rule], [weights] stand together",
        ),
        (
            {**dict.fromkeys(("features", "target", "model", "gate")), "rule": RULE, "signal": {"threshold": 0.6}},
            "[signal] is for a model, and cheap has [rule]",
        ),
        ({"signal": {"kind": "long_short"}}, "signal.kind was 'long_short', allowed: only with limits.allow_short = true"),
        ({"market.membership": "members.csv"}, "market.membership is for a [rule]"),
    ],
)
def test_a_strategy_is_of_one_kind_and_says_which_tables_do_not_go_together(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    document = seed()
    for key, value in changes.items():
        document = with_key(document, key, value)
    assert said in refusal(document, tmp_path)


def test_every_template_loads_and_its_kind_follows_from_its_tables() -> None:
    kinds = {file.stem: load_strategy(file.stem, Settings()).kind for file in Settings().strategies_dir.glob("*.toml")}
    assert (
        kinds["sp500_svc"] == "model"
        and kinds["buy_and_hold"] == kinds["momentum_top_k"] == "rule"
        and kinds["weights_table"] == "weights"
    )
