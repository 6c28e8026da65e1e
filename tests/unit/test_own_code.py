"""A strategy's own file behind the fence: what it gives, and one sentence for whatever goes wrong in it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightdesk.audit.audited import Audited
from nightdesk.audit.report import audit
from nightdesk.audit.steps import audited_steps
from nightdesk.backtest.run import run_backtest
from nightdesk.day.engineer import strategy_features
from nightdesk.errors import BadData, Misconfigured, NightdeskError
from nightdesk.features.panels import panels
from nightdesk.fence import own
from nightdesk.fence.own import OwnCode, own_features, own_weights
from nightdesk.settings import CHECKOUT
from nightdesk.wiring.strategies import load_strategy
from schemas.bars import Bars
from schemas.strategy import Strategy
from tests.auditing import found, two_symbols
from tests.desks import settings_in
from tests.strategy_documents import saved, seed, with_key

PRICES = panels(two_symbols(300))


def refused(text: str, function: str = "f") -> tuple[type[NightdeskError], str]:
    with pytest.raises(NightdeskError) as error:
        own_features(OwnCode("mine.py", text), [function], PRICES)
    return type(error.value), error.value.message


def loaded(folder: Path, text: str, columns: list[str]) -> Strategy:
    """The cheap strategy with an own file."""
    path = saved(with_key(seed(), "features.columns", columns), folder)
    Path(path).with_name("cheap.py").write_text(text, encoding="utf-8")
    return load_strategy(path, settings_in(folder / "home"))


def test_every_function_gets_its_own_copy_of_the_prices_and_may_print_and_leave_threads() -> None:
    text = """
import sys, threading, time
def spoilt(prices):
    print("loud"); sys.stdout.write("x" * 100_000)
    threading.Thread(target=time.sleep, args=(1000,)).start()
    prices.close.iloc[:, :] = 0.0
    return prices.close
def doubled(prices):
    return prices.close * 2
def rising(prices):
    return prices.close > prices.open
"""
    made = own_features(OwnCode("mine.py", text), ["spoilt", "doubled", "rising"], PRICES)
    assert (made["spoilt"] == 0).to_numpy().all()
    pd.testing.assert_frame_equal(made["doubled"], PRICES.close * 2, check_freq=False)
    assert (made["rising"] == (PRICES.close > PRICES.open)).to_numpy().all()


def test_weights_take_the_parameters_of_the_rule_and_hold_where_they_are_missing() -> None:
    text = (
        "def target_weights(prices, share, names=()):\n    return (prices.close * 0 + share).where(prices.close > prices.open)\n"
    )
    made = own_weights(OwnCode("mine.py", text), PRICES, {"share": 0.25, "names": ["a"]})
    assert made.stack().dropna().unique().tolist() == [0.25]
    assert made.isna().to_numpy().any()
    with pytest.raises(Misconfigured, match=r"mine.py, line 1, in target_weights: TypeError: .*'share'"):
        own_weights(OwnCode("mine.py", text), PRICES, {})


WRONG: Mapping[str, tuple[type[NightdeskError], str, str]] = {
    "an exception": (Misconfigured, "x = 0\n    return 1 / x", "mine.py, line 3, in f: ZeroDivisionError: division by zero."),
    "sys.exit": (Misconfigured, "import sys\n    sys.exit(0)", "mine.py, line 3, in f: it called sys.exit(0)."),
    "os._exit": (Misconfigured, "import os\n    os._exit(0)", "mine.py, line 1, in f: it ended its process, with exit code 0."),
    "a crash": (
        Misconfigured,
        "import ctypes\n    ctypes.string_at(0)",
        "mine.py, line 3, in f: its process was ended by SIGSEGV.",
    ),
    "memory": (
        Misconfigured,
        "import numpy\n    numpy.ones((10**6, 10**5))",
        "mine.py, line 3, in f: it needs more memory than it may have.",
    ),
    "nothing": (Misconfigured, "pass", "mine.py, line 1, in f: it gave nothing, allowed: a DataFrame shaped as prices.close."),
    "rows": (
        Misconfigured,
        "return prices.close[1:]",
        "mine.py, line 1, in f: it gave 299 rows x 2 columns, allowed: 300 sessions x 2 symbols.",
    ),
    "order": (
        Misconfigured,
        "return prices.close[::-1]",
        "mine.py, line 1, in f: it gave another index, allowed: the sessions of prices.close, in their order.",
    ),
    "text": (
        Misconfigured,
        "return prices.close.astype(str)",
        "mine.py, line 1, in f: it gave values of the type str for AAA, allowed: numbers.",
    ),
    "infinity": (
        BadData,
        "return prices.close / 0",
        "mine.py, line 1, in f: it gave infinity for AAA on 2015-01-02, allowed: a number or NaN.",
    ),
    "a secret": (
        Misconfigured,
        "import os\n    raise KeyError(*[name for name in os.environ if 'NIGHTDESK' in name or 'KEY' in name] or ['none'])",
        "mine.py, line 3, in f: KeyError: 'none'.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_whatever_goes_wrong_is_one_sentence_with_file_line_and_function(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_ALPACA_SECRET_KEY", "a-secret")
    kind, body, sentence = WRONG[case]
    assert refused(f"def f(prices):\n    {body}\n") == (kind, sentence)


def test_a_loop_without_end_is_ended_and_its_line_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "TIMEOUT_S", 2)
    text = "def f(prices):\n    while True:\n        pass\n"
    kind, message = refused(text)
    assert kind is Misconfigured
    assert message in {f"mine.py, line {line}, in f: it took more than 2 seconds." for line in (2, 3)}


def test_a_file_that_cannot_even_begin_is_refused_with_its_line() -> None:
    assert refused("import nowhere\ndef f(prices):\n    return prices.close\n")[1] == (
        "mine.py, line 1: ModuleNotFoundError: No module named 'nowhere'."
    )
    assert refused("def f(prices)\n    return 1\n")[1] == "mine.py, line 1: it is not Python: expected ':'."
    assert refused("def g(prices):\n    return 1\n")[1] == "mine.py has no function f; those that it has: g."


def test_loading_reads_the_file_beside_the_strategy_and_runs_nothing(tmp_path: Path) -> None:
    text = "raise SystemExit\ndef f(prices):\n    return prices.close\n"
    strategy = loaded(tmp_path, text, ["own.f"])
    assert strategy.own_code == text
    with pytest.raises(Misconfigured, match=r"cheap\.py has no function g; those that it has: f"):
        loaded(tmp_path, text, ["own.g"])
    with pytest.raises(Misconfigured, match=r"features\.columns was 'own.f-1', allowed: "):
        loaded(tmp_path, text, ["own.f-1"])
    (tmp_path / "cheap.py").unlink()
    with pytest.raises(Misconfigured, match=r"cheap.py does not exist; f is to be a function of it"):
        load_strategy(saved(with_key(seed(), "features.columns", ["own.f"]), tmp_path), settings_in(tmp_path / "home"))


def test_the_text_of_the_file_is_part_of_what_the_strategy_is(tmp_path: Path) -> None:
    one = loaded(tmp_path, "def f(prices):\n    return prices.close\n", ["own.f"])
    other = loaded(tmp_path, "def f(prices):\n    return prices.open\n", ["own.f"])
    assert one.sha256 != other.sha256
    assert one.learning_sha256 != other.learning_sha256
    assert Strategy.model_validate(one.model_dump(mode="json")).sha256 == one.sha256
    plain = load_strategy(saved(seed(), tmp_path), settings_in(tmp_path / "home"))
    assert plain.own_code is None


LEAKS = """
def honest(prices):
    return prices.close.pct_change(5, fill_method=None)
def tomorrow(prices):
    return prices.close.shift(-1) / prices.close
def whole_sample(prices):
    return (prices.close - prices.close.mean()) / prices.close.std()
"""


def test_leaks_in_a_users_own_file_are_found_and_named(tmp_path: Path) -> None:
    columns = ["own.honest", "own.tomorrow", "own.whole_sample"]
    document = with_key(with_key(seed(), "market.instruments.signal", "AAA"), "market.instruments.prices", "AAA")
    path = saved(with_key(document, "features.columns", columns), tmp_path)
    Path(path).with_name("cheap.py").write_text(LEAKS, encoding="utf-8")
    steps = audited_steps(load_strategy(path, settings_in(tmp_path / "home")))
    bars = two_symbols(70)
    made = audit(Audited(name="own", features=steps.features), bars[bars[Bars.symbol] == "AAA"].reset_index(drop=True), 1)
    assert found(made)["future"] == {"own.tomorrow", "own.whole_sample"}


def test_the_example_of_a_users_own_file_gives_what_its_page_says() -> None:
    strategy = load_strategy(str(CHECKOUT / "strategies" / "own_features.toml"), settings_in(CHECKOUT))
    bars = two_symbols(300)
    bars = bars[bars[Bars.symbol] == "AAA"].assign(**{Bars.symbol: "^GSPC"}).reset_index(drop=True)
    made = strategy_features(strategy, bars)
    share = (bars[Bars.close] - bars[Bars.low]) / (bars[Bars.high] - bars[Bars.low])
    np.testing.assert_allclose(made["own.range_share"].to_numpy()[1:40], share.to_numpy()[1:40], rtol=1e-9)
    assert made["own.calm"].isna().sum() == 120


def test_a_failing_own_file_ends_a_backtest_in_its_sentence(tmp_path: Path) -> None:
    loaded(tmp_path, "def f(prices):\n    return prices.nothing\n", ["own.f"])
    with pytest.raises(Misconfigured, match=r"cheap\.py, line 2, in f: AttributeError"):
        run_backtest(str(tmp_path / "strategy.toml"), None, None, None, settings_in(tmp_path / "home"), lambda *_: None)
