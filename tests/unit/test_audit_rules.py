"""A rule that looks ahead is found, one that does not is clean."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from nightdesk.audit.report import audit
from nightdesk.audit.steps import audited_steps
from nightdesk.errors import Misconfigured
from nightdesk.market.sample import SampleSource
from nightdesk.signals import rules
from nightdesk.signals.rule import Prices, RuleParams, equal_shares
from schemas.strategy import Strategy
from tests.unit.test_rules import strategy


class Peeking(RuleParams):
    """Long where tomorrow's close is higher."""

    def weights(self, strategy: Strategy, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
        return equal_shares(prices, members).where(prices.close.shift(-1) > prices.close, 0.0)


def test_a_rule_that_looks_ahead_is_named_and_fits_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = SampleSource().fetch_bars(["^GSPC"], date(2018, 1, 2), date(2018, 12, 31))
    monkeypatch.setitem(rules.RULES, "peeking", Peeking)
    found = {
        name: audit(replace(audited_steps(of_the_sample(name, params)), fills=None), bars, count=6)
        for name, params in (("peeking", {}), ("mean_reversion", {}), ("momentum_top_k", {"lookback_sessions": 40}))
    }
    assert {leak.what for leak in found["peeking"].leaks} == {"weight"}
    assert found["mean_reversion"].leaks == found["momentum_top_k"].leaks == ()
    results = {one.check: one.result for one in found["mean_reversion"].checks}
    assert {name for name, result in results.items() if result == "left out"} >= {"label horizon", "model", "shuffled labels"}
    assert results["future"] == results["signal"] == "OK"


def of_the_sample(name: str, params: dict[str, object]) -> Strategy:
    made = strategy(name, params, ("SPXSIM",))
    row = made.market.instruments[0].model_copy(update={"signal": "^GSPC", "prices": "^GSPC"})
    return made.model_copy(update={"market": made.market.model_copy(update={"instruments": (row,)})})


def test_a_table_of_weights_can_not_be_audited_and_says_why() -> None:
    made = strategy("buy_and_hold")
    table = Strategy.model_validate(made.model_dump() | {"rule": None, "weights": {"file": "weights.csv"}})
    with pytest.raises(Misconfigured, match="whether it looks ahead can not be seen here"):
        audited_steps(table)
