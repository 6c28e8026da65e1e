"""The user's own rule of strategies/own_rule.toml. Explained in docs/strategies/own-code.md.

`target_weights` is given `prices`, with the frames open, high, low, close and volume: a row for each session, a column for each
instrument, adjusted for splits and dividends; and the parameters of [rule.params]. It gives back a frame of the same shape: the
share of equity that each instrument should have from the next open on; NaN keeps what is held. The row of a session may use
nothing that came after its close: `nightdesk audit own_rule` looks for that.
"""


def target_weights(prices, target_volatility=0.10, sessions=20):
    """As much of each instrument as keeps its volatility near the target, a year; equal shares among them, at most everything."""
    daily = prices.close.pct_change(fill_method=None)
    volatility = daily.rolling(sessions).std() * 252**0.5
    return (target_volatility / volatility).clip(upper=1.0) / len(prices.close.columns)
