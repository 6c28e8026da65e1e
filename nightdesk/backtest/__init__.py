"""Backtest: a strategy over history at once, by the functions of the day. No order leaves here."""
