"""Rules: known answers, who may be held, what is refused."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.errors import BadData, Misconfigured
from nightdesk.features.panels import Panels
from nightdesk.signals import rules
from nightdesk.signals.membership import load_membership, members_panel
from nightdesk.signals.rule import Prices, RuleParams
from nightdesk.signals.rules import rule_weights
from schemas.strategy import Strategy
from tests.strategy_documents import seed

NAMES = ("AAA", "BBB", "CCC")


def strategy(name: str, params: Mapping[str, Any] | None = None, names: tuple[str, ...] = NAMES, **limits: object) -> Strategy:
    document = seed()
    for table in ("features", "target", "model", "gate"):
        del document[table]
    document["market"]["instruments"] = [
        {"signal": name, "instrument": name, "instrument_id": name, "prices": name} for name in names
    ]
    document["limits"] |= limits
    return Strategy.model_validate(document | {"rule": {"name": name, "params": dict(params or {})}})


def prices(closes: Mapping[str, list[float]], first: str = "2018-01-02") -> Panels:
    count = len(next(iter(closes.values())))
    close = pd.DataFrame(dict(closes), index=pd.bdate_range(first, periods=count))
    return Panels(close, close, close, close, close, close * 0.0, close * 0.0 + 1.0)


def wanted(made: Strategy, closes: Mapping[str, list[float]], members: pd.DataFrame | None = None) -> np.ndarray:
    shown = prices(closes)
    everyone = pd.DataFrame(True, index=shown.close.index, columns=shown.close.columns)
    return rule_weights(made, shown, everyone if members is None else members).to_numpy()


def test_buy_and_hold_shares_equally_between_those_that_have_begun_and_not_ended() -> None:
    nan = np.nan
    closes = {"AAA": [1.0] * 15, "BBB": [nan, nan, *[2.0] * 13], "CCC": [3.0, 3.0, *[nan] * 13]}
    weights = wanted(strategy("buy_and_hold"), closes)
    np.testing.assert_allclose(weights[0], [0.5, nan, 0.5])
    np.testing.assert_allclose(weights[2], [1 / 3, 1 / 3, nan])
    np.testing.assert_allclose(weights[-1], [0.5, 0.5, nan])  # CCC had no bar for more than ten sessions


def test_moving_averages_cross_at_the_close_that_a_hand_would_find() -> None:
    # from the third close on, means of 2: 2.5, 3.5, 3, 1.5; of 3: 2, 3, 3, 7/3: an equal mean is not above
    weights = wanted(
        strategy("moving_average_cross", {"fast_sessions": 2, "slow_sessions": 3}, ("AAA",)), {"AAA": [1.0, 2, 3, 4, 2, 1]}
    )
    np.testing.assert_array_equal(weights.ravel(), [np.nan, np.nan, 1, 1, 0, 0])


def test_momentum_ranks_at_the_first_close_of_a_month_and_keeps_to_it() -> None:
    params = {"lookback_sessions": 4, "skip_sessions": 1, "k": 1}
    rising, falling = [10.0 + day for day in range(60)], [100.0 - day for day in range(60)]
    weights = wanted(strategy("momentum_top_k", params, ("AAA", "BBB")), {"AAA": rising, "BBB": falling})
    days = prices({"AAA": rising}).close.index
    february = days.get_loc(pd.Timestamp("2018-02-01"))
    assert np.isnan(weights[:february]).all()
    assert (weights[february:] == [1.0, 0.0]).all()
    turned = [*rising[:30], *(40.0 - 3 * day for day in range(13)), *[1.0] * 17]  # falls fast from the middle of February on
    weights = wanted(strategy("momentum_top_k", params, ("AAA", "BBB")), {"AAA": turned, "BBB": falling})
    march = days.get_loc(pd.Timestamp("2018-03-01"))
    assert (weights[february:march] == [1.0, 0.0]).all()
    assert (weights[march : march + 5] == [0.0, 1.0]).all()


def test_momentum_leaves_the_newest_sessions_out_and_gives_each_of_k_its_share() -> None:
    jump = [10.0] * 22 + [99.0]  # the jump lies within the skipped sessions of 2018-02-01
    slow = [10.0 + 0.1 * day for day in range(23)]
    closes = {"AAA": jump, "BBB": slow, "CCC": [10.0 - 0.1 * day for day in range(23)]}
    weights = wanted(strategy("momentum_top_k", {"lookback_sessions": 15, "skip_sessions": 3, "k": 2}), closes)
    assert weights[-1].tolist() == [0.5, 0.5, 0.0]
    weights = wanted(strategy("momentum_top_k", {"lookback_sessions": 15, "skip_sessions": 3, "k": 1}), closes)
    assert weights[-1].tolist() == [0.0, 1.0, 0.0]


def test_mean_reversion_buys_far_below_the_mean_and_sells_near_it() -> None:
    # z of the last of [10]*9 + [5] is (5 - 9.5) / 1.5811 = -2.846: bought; then it comes back
    path = [10.0, 10.1] * 10 + [5.0, 7.0, 10.0, 10.0]
    params = {"lookback_sessions": 10, "enter_z": 2.0, "exit_z": 0.5}
    weights = wanted(strategy("mean_reversion", params, ("AAA",)), {"AAA": path}).ravel()
    assert weights[9:20].tolist() == [0.0] * 11
    assert weights[20:].tolist() == [1.0, 1.0, 0.0, 0.0]
    mirrored = [20.0 - close for close in path]
    both = strategy("mean_reversion", params | {"side": "long_short"}, ("AAA",), allow_short=True)
    assert wanted(both, {"AAA": mirrored}).ravel()[20:].tolist() == [-1.0, -1.0, 0.0, 0.0]
    assert wanted(both, {"AAA": path}).ravel()[20:].tolist() == [1.0, 1.0, 0.0, 0.0]


def members(text: str, sessions: pd.DatetimeIndex, folder: Any) -> pd.DataFrame:
    (folder / "members.csv").write_text(f"symbol,first,last\n{text}", encoding="utf-8")
    return members_panel(load_membership(folder / "members.csv"), sessions, NAMES)


def test_who_is_no_member_is_closed_and_not_ranked(tmp_path: Any) -> None:
    closes = {"AAA": [10.0 + 2 * day for day in range(60)], "BBB": [10.0 + day for day in range(60)], "CCC": [10.0] * 60}
    days = prices(closes).close.index
    listed = members("AAA,2018-01-01,2018-02-15\nBBB,2018-01-01,\nCCC,2018-01-01,2018-01-10\nCCC,2018-03-01,\n", days, tmp_path)
    assert listed["CCC"].sum() == (days <= "2018-01-10").sum() + (days >= "2018-03-01").sum()
    made = strategy("momentum_top_k", {"lookback_sessions": 4, "skip_sessions": 1, "k": 1})
    weights = pd.DataFrame(wanted(made, closes, listed), days, list(NAMES))
    assert weights.loc["2018-02-15"].tolist() == [1.0, 0.0, 0.0]
    assert weights.loc["2018-02-16"].tolist() == [0.0, 0.0, 0.0]
    assert weights.loc["2018-03-01"].tolist() == [0.0, 1.0, 0.0]
    shared = pd.DataFrame(wanted(strategy("buy_and_hold"), closes, listed), days, list(NAMES))
    assert shared.loc["2018-01-11"].tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("DDD,2018-01-01,", "The member DDD from 2018-01-01 to today: allowed is an instrument of the strategy (AAA, BBB, CCC)"),
        ("AAA,2018-02-01,2018-01-01", "allowed is a last day on or after the first"),
        ("AAA,soon,", "allowed is dates as 2018-12-31"),
        ("AAA,2018-01-01,\nAAA,2018-03-01,2018-04-01", "allowed is spans of a symbol that do not overlap"),
    ],
)
def test_a_table_of_members_that_can_not_be_meant_is_refused_by_row(row: str, said: str, tmp_path: Any) -> None:
    with pytest.raises(BadData) as refused:
        members(row, pd.bdate_range("2018-01-02", periods=5), tmp_path)
    assert said in refused.value.message


def test_a_table_of_members_without_a_column_is_refused(tmp_path: Any) -> None:
    (tmp_path / "members.csv").write_text("symbol,from\n", encoding="utf-8")
    with pytest.raises(BadData, match="lacks first, last; it has symbol, from"):
        load_membership(tmp_path / "members.csv")
    with pytest.raises(BadData, match=r"other\.csv cannot be read"):
        load_membership(tmp_path / "other.csv")


REFUSED = [
    ("momentum", {}, "rule.name was 'momentum', allowed: buy_and_hold, moving_average_cross, momentum_top_k, "),
    ("buy_and_hold", {"k": 1}, "rule.params.k is not a parameter of the rule, allowed: none."),
    ("moving_average_cross", {"fast_sessions": 0}, "rule.params.fast_sessions was 0, allowed: input should be greater than"),
    ("moving_average_cross", {"fast_sessions": 200}, "rule.params.slow_sessions was 200, allowed: above fast_sessions, 200"),
    ("momentum_top_k", {"k": 0}, "rule.params.k was 0, allowed: "),
    ("momentum_top_k", {"skip_sessions": 252}, "rule.params.skip_sessions was 252, allowed: below lookback_sessions, 252"),
    ("momentum_top_k", {"rebalance": "yearly"}, "rule.params.rebalance was 'yearly', allowed: "),
    ("mean_reversion", {"exit_z": 2.0}, "rule.params.exit_z was 2, allowed: below enter_z, 2"),
    ("mean_reversion", {"side": "long_short"}, "rule.params.side was 'long_short', allowed: long_flat, or limits.allow_short"),
]


@pytest.mark.parametrize(("name", "params", "said"), REFUSED)
def test_a_rule_or_a_parameter_that_is_wrong_is_refused_in_a_sentence(name: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        rules.require_rule(strategy(name, params))
    assert refused.value.message.startswith(said) and refused.value.message.endswith(".")


class Greedy(RuleParams):
    """A rule that wants what it is told to."""

    share: float

    def weights(self, strategy: Strategy, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
        return prices.close * 0.0 + self.share


@pytest.mark.parametrize(
    ("share", "error", "said"),
    [
        (0.5, BadData, "The weights that greedy wants on 2018-01-02 sum to 1.5 in absolute value, allowed: at most 1."),
        (np.inf, BadData, "sum to inf in absolute value"),
        (-0.1, Misconfigured, "greedy wants -0.1 of AAA on 2018-01-02, a short position, and limits.allow_short is false."),
    ],
)
def test_a_rule_that_wants_what_is_not_allowed_is_stopped(
    share: float, error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rules.RULES, "greedy", Greedy)
    monkeypatch.setattr(Greedy, "model_validate", classmethod(lambda cls, params: cls.model_construct(share=share)))
    with pytest.raises(error) as refused:
        wanted(strategy("greedy"), {name: [1.0, 2.0] for name in NAMES})
    assert said in str(refused.value)
