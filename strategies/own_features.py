"""The user's own features of strategies/own_features.toml. Explained in docs/strategies/own-code.md.

Each function is given `prices`, with the frames open, high, low, close and volume: a row for each session, a column for each
symbol, adjusted for splits and dividends. It gives back a frame of the same shape. The value of a session may use nothing that
came after its close: `nightdesk audit own_features` looks for that.
"""


def range_share(prices):
    """Where in the session's range the close lies: 0 at the low, 1 at the high."""
    spread = prices.high - prices.low
    return (prices.close - prices.low) / spread.where(spread > 0)


def gap(prices):
    """The open against the close before, as a share of it."""
    return prices.open / prices.close.shift(1) - 1


def calm(prices):
    """The volatility of the last 20 sessions against that of the last 120."""
    daily = prices.close.pct_change(fill_method=None)
    return daily.rolling(20).std() / daily.rolling(120).std()
