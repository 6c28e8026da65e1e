"""TA-Lib's indicators as features: the library's own answers, on a symbol's own bars, without a look ahead."""

import numpy as np
import pandas as pd
import pytest
import talib
from talib import abstract

from nightdesk.errors import Misconfigured
from nightdesk.features.indicators import NO_FEATURES, indicator, indicator_panels
from nightdesk.features.matrix import feature_matrix, require_features
from nightdesk.features.panels import Panels, panels
from schemas.bars import Bars
from tests.auditing import audit_of_features, two_symbols

BARS = two_symbols(400)
PRICES = panels(BARS)
FIELDS = ("open", "high", "low", "close", "volume")


def every_column() -> list[str]:
    """Each output of each function of TA-Lib that is a feature, at its defaults."""
    names = [name for name in talib.get_functions() if name not in NO_FEATURES]
    outputs = {name: abstract.Function(name).info["output_names"] for name in names}
    return [f"ta.{name}.{one}" if len(made) > 1 else f"ta.{name}" for name, made in outputs.items() for one in made]


EVERY = every_column()


def replaced(prices: Panels, change: dict[str, pd.DataFrame]) -> Panels:
    rest = {name: getattr(prices, name) for name in (*FIELDS, "dividend", "split")}
    return Panels(**{**rest, **change})


def test_all_of_talib_but_what_is_no_value_of_a_bar_can_be_named() -> None:
    assert len(EVERY) > len(talib.get_functions()) > 150
    require_features(EVERY)
    assert set(NO_FEATURES) <= set(talib.get_functions())


@pytest.mark.parametrize("place", [3, 60, 200, 398])
def test_no_function_of_talib_sees_what_comes_after_its_session(place: int) -> None:
    whole = indicator_panels(PRICES, EVERY)
    noise = np.random.default_rng(place).lognormal(3.0, 0.5, PRICES.close.shape)
    later = np.broadcast_to((np.arange(len(PRICES.close)) > place)[:, None], noise.shape)
    other = indicator_panels(replaced(PRICES, {name: getattr(PRICES, name).where(~later, noise) for name in FIELDS}), EVERY)
    cut = {name: getattr(PRICES, name).iloc[: place + 1] for name in (*FIELDS, "dividend", "split")}
    ended = indicator_panels(Panels(**cut), EVERY)
    upto = slice(0, place + 1)
    assert [name for name in EVERY if not whole[name].iloc[upto].equals(other[name].iloc[upto])] == []
    assert [name for name in EVERY if not whole[name].iloc[upto].equals(ended[name])] == []
    assert sum(not whole[name].equals(other[name]) for name in EVERY) > 130 or place == 398


def test_values_are_those_of_talib_called_bare() -> None:
    columns = ["ta.RSI(14)", "ta.MACD(12, 26, 9).macdhist", "ta.ATR(timeperiod=10)", 'ta.SMA(20, price="volume")']
    made = indicator_panels(PRICES, columns)
    high, low, close, volume = (getattr(PRICES, name)["BBB"].to_numpy(copy=True) for name in FIELDS[1:])
    bare = (talib.RSI(close, 14), talib.MACD(close, 12, 26, 9)[2], talib.ATR(high, low, close, 10), talib.SMA(volume, 20))
    for panel, wanted in zip(made.values(), bare, strict=True):
        np.testing.assert_array_equal(panel["BBB"].to_numpy(), wanted)
        assert np.isfinite(panel["BBB"].to_numpy()[-1])


def test_first_sessions_of_an_index_of_strength_are_those_of_its_definition() -> None:
    # Wilder 1978, New Concepts in Technical Trading Systems: 100 - 100 / (1 + mean rise / mean fall), the first mean a plain one
    closes = pd.Series([10.0, 11.0, 10.5, 11.5, 11.0])
    frame = closes.to_frame("AAA").set_axis(PRICES.close.index[:5])
    made = indicator_panels(replaced(PRICES, dict.fromkeys(("close", "open", "high", "low", "volume"), frame)), ["ta.RSI(4)"])
    assert made["ta.RSI(4)"]["AAA"].tolist()[:4] == pytest.approx([np.nan] * 4, nan_ok=True)
    assert made["ta.RSI(4)"]["AAA"].iloc[4] == pytest.approx(100 - 100 / (1 + 2.0 / 1.0))


def test_sessions_without_a_bar_are_left_out_and_change_nothing_else() -> None:
    gone = [10, 11, 200, 399]
    rows = BARS[Bars.symbol].eq("AAA") & BARS[Bars.session].isin(PRICES.close.index[gone])
    holed = panels(BARS[~rows])
    alone = panels(BARS[~rows & BARS[Bars.symbol].eq("AAA")])
    columns = ["ta.EMA(20)", "ta.OBV", "ta.MACD.macd", "ta.CDLDOJI"]
    made, own, whole = (indicator_panels(one, columns) for one in (holed, alone, PRICES))
    for name in columns:
        assert made[name]["AAA"].iloc[gone].isna().all()
        pd.testing.assert_series_equal(made[name]["AAA"].drop(holed.close.index[gone]), own[name]["AAA"], check_freq=False)
        pd.testing.assert_series_equal(made[name]["BBB"], whole[name]["BBB"])


def test_what_is_not_yet_known_or_infinite_is_not_a_number() -> None:
    made = indicator_panels(replaced(PRICES, {"close": PRICES.close * 100}), ["ta.CDLDOJI", "ta.EXP", "ta.SMA(100000)"])
    assert made["ta.CDLDOJI"].iloc[:10].isna().to_numpy().all() and made["ta.CDLDOJI"].iloc[10:].notna().to_numpy().all()
    assert made["ta.EXP"].isna().to_numpy().all()
    assert made["ta.SMA(100000)"].isna().to_numpy().all()


def test_a_symbol_without_any_bar_has_no_value_at_all() -> None:
    frame = PRICES.close.assign(CCC=np.nan)
    made = indicator_panels(replaced(PRICES, dict.fromkeys(FIELDS, frame)), ["ta.RSI", "ta.BBANDS.upperband"])
    assert all(panel["CCC"].isna().all() and panel["AAA"].notna().sum() > 300 for panel in made.values())


def test_matrix_has_indicators_and_our_own_features_in_the_order_asked() -> None:
    columns = ["ta.ROC(5)", "high_minus_low", "ta.BBANDS(20, 2, 2).upperband", "ta.ROC(timeperiod=5)"]
    matrix = feature_matrix(PRICES, columns, ["BBB", "AAA"])
    assert matrix.columns.tolist()[2:] == columns
    assert matrix[columns[0]].equals(matrix[columns[3]].rename(columns[0]))
    change = 100 * (PRICES.close["BBB"] / PRICES.close["BBB"].shift(5) - 1)
    assert matrix[columns[0]][matrix["symbol"] == "BBB"].to_numpy() == pytest.approx(change.to_numpy(), nan_ok=True, abs=1e-9)


REFUSED = {
    "ta.RSI(1)": "as timeperiod a whole number from 2 to 100000",
    "ta.RSI(100001)": "as timeperiod a whole number from 2 to 100000",
    "ta.RSI(14.5)": "as timeperiod a whole number, as 14",
    "ta.RSI(True)": "as timeperiod a whole number, as 14",
    "ta.RSI(14, 15)": "up to 1 parameters for RSI: timeperiod=14",
    "ta.RSI(14, timeperiod=15)": "timeperiod once",
    "ta.RSI(period=14)": "as parameter of RSI one of timeperiod, price",
    "ta.SMA(20, price='turnover')": "as price one of open, high, low, close, volume",
    "ta.MACD(12, 26, 9)": "with one of its outputs behind it, as ta.MACD(12, 26, 9).macd: macd, macdsignal, macdhist",
    "ta.MACD(12, 26, 9).line": "as output of MACD one of macd, macdsignal, macdhist",
    "ta.BBANDS(20, 2, 2, 99).upperband": "as matype a whole number from 0 to 13",
    "ta.PERCENTILE(10, 200)": "as percentile a number from 0 to 100",
    "ta.SAR(-1)": "as acceleration a number from 0 to ",
    "ta.rsi(14)": "a function of TA-Lib, as RSI, ",
    "ta.MAXINDEX(5)": "another function of TA-Lib than MAXINDEX: it gives a place in the series, which grows with the history",
    "ta.MAVP": "another function of TA-Lib than MAVP: it needs a series of periods",
    "ta.RSI(14": "a name as ta.RSI(14), ta.OBV or ta.MACD(12, 26, 9).macdhist",
    "ta.RSI(__import__('os'))": "a name as ta.RSI(14), ta.OBV or ta.MACD(12, 26, 9).macdhist",
}


@pytest.mark.parametrize("column", REFUSED)
def test_a_wrong_name_parameter_or_range_is_a_sentence_with_what_is_allowed(column: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        require_features([column])
    assert refused.value.message.startswith(f"features.columns was {column!r}, allowed: {REFUSED[column]}")


def test_parameters_may_come_in_order_by_name_or_not_at_all() -> None:
    assert indicator("ta.RSI") == indicator("ta.RSI()") == indicator("ta.RSI(14)") == indicator("ta.RSI(timeperiod=14)")
    assert indicator("ta.BBANDS(20, nbdevdn=3).lowerband").parameters == (20, 2.0, 3.0, 0)


def test_the_audit_says_how_much_history_an_indicator_needs_and_finds_no_leak() -> None:
    made = audit_of_features(
        2,
        mean=lambda prices: indicator_panels(prices, ["ta.SMA(20)"])["ta.SMA(20)"],
        volume=lambda prices: indicator_panels(prices, ["ta.OBV"])["ta.OBV"],
    )
    assert made.leaks == ()
    assert [(leak.check, leak.what) for leak in made.findings] == [("warm-up", "volume")]
    assert "depends on where the history begins" in made.findings[0].meaning
