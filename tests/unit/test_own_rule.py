"""A rule that is a function of the strategy's own file: asked behind the fence, checked like every other rule."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightdesk.day.ruled import target_weights
from nightdesk.errors import BadData, Misconfigured
from nightdesk.settings import CHECKOUT, Settings
from nightdesk.wiring.strategies import load_strategy
from schemas.bars import Bars
from tests.bars import clean_bars

RULE = "def target_weights(prices, share=1.0):\n    return prices.close * 0 + share\n"


BARS = clean_bars(pd.bdate_range("2018-01-02", periods=60), ["^GSPC"], seed=7)


def own_strategy(folder: Path, code: str, params: str = "") -> Path:
    """A copy of the template with this code beside it."""
    text = (CHECKOUT / "strategies" / "own_rule.toml").read_text(encoding="utf-8")
    head, rest = text.split("[rule.params]")
    path = folder / "own_rule.toml"
    path.write_text(f"{head}[rule.params]\n{params}\n[sizing]{rest.split('[sizing]')[1]}", encoding="utf-8")
    (folder / "own_rule.py").write_text(code, encoding="utf-8")
    return path


def test_the_template_wants_the_target_volatility_over_that_of_the_last_20_sessions() -> None:
    closes = BARS[Bars.close].to_numpy()
    wanted = target_weights(load_strategy("own_rule", Settings()), BARS)
    daily = closes[1:] / closes[:-1] - 1
    assert wanted["SPXSIM"].iloc[-1] == pytest.approx(min(1.0, 0.10 / (daily[-20:].std(ddof=1) * np.sqrt(252))))
    assert wanted["SPXSIM"].iloc[:20].isna().all()


def test_the_parameters_of_the_file_reach_the_function(tmp_path: Path) -> None:
    strategy = load_strategy(str(own_strategy(tmp_path, RULE, "share = 0.25")), Settings())
    assert (target_weights(strategy, BARS)["SPXSIM"] == 0.25).all()


def test_an_own_rule_that_wants_more_than_everything_is_bad_data(tmp_path: Path) -> None:
    strategy = load_strategy(str(own_strategy(tmp_path, RULE, "share = 1.5")), Settings())
    with pytest.raises(BadData, match=r"own wants on .* sum to 1\.5 in absolute value, allowed: at most 1"):
        target_weights(strategy, BARS)


def test_a_file_without_the_function_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    path = own_strategy(tmp_path, "def weights(prices):\n    return prices.close\n")
    with pytest.raises(Misconfigured, match="has no function target_weights; those that it has: weights"):
        load_strategy(str(path), Settings())


def test_another_text_is_another_strategy(tmp_path: Path) -> None:
    one = load_strategy(str(own_strategy(tmp_path, RULE)), Settings())
    other = load_strategy(str(own_strategy(tmp_path, f"{RULE}# a word\n")), Settings())
    assert one.sha256 != other.sha256 and one.config_sha256 != other.config_sha256
