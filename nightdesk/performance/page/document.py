"""The numbers of the page as plain JSON: dates as ISO text, ratios as fractions, what is undefined or without end as null."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import pandas as pd

from nightdesk.performance.page.tables import ROLLING_SESSIONS, YEAR
from nightdesk.performance.page.tearsheet import Tearsheet, Trading


def document(sheet: Tearsheet) -> dict[str, Any]:
    """All numbers of the page; docs/json.md says what each key is."""
    returns = sheet.returns
    whole = {
        "title": sheet.title,
        "first": returns.index[0],
        "last": returns.index[-1],
        "sessions": len(returns),
        "headline": sheet.headline,
        "sentences": sheet.sentences,
        "warnings": sheet.warnings,
        "notes": sheet.notes,
        "performance": sheet.performance,
        "benchmark": {"name": sheet.benchmark_name, "performance": sheet.benchmark_performance} if sheet.gate else None,
        "evidence": {**sheet.evidence, "excess_return": asdict(sheet.gate) if sheet.gate else None},
        "months": _months(sheet.months),
        "years": [{"year": year, "return": value} for year, value in sheet.months[YEAR].items()],
        "drawdowns": [asdict(drawdown) for drawdown in sheet.drawdowns],
        "best": _sessions(sheet.best),
        "worst": _sessions(sheet.worst),
        "distribution": {"edges": sheet.distribution.edges.tolist(), "counts": sheet.distribution.counts.tolist()},
        "rolling": {"window_sessions": ROLLING_SESSIONS, "rows": _rows(sheet.rolling)},
        "daily": _rows(sheet.lines.assign(**{"return": returns})),
        "book": _book(sheet.book, sheet.trading) if sheet.trading else None,
    }
    plain: dict[str, Any] = _plain(whole)
    return plain


def _months(months: pd.DataFrame) -> list[dict[str, Any]]:
    known = months.drop(columns=YEAR).stack().dropna()
    return [{"year": year, "month": month, "return": value} for (year, month), value in known.items()]


def _sessions(returns: pd.Series) -> list[dict[str, Any]]:
    return [{"session": session, "return": value} for session, value in returns.items()]


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.rename_axis("session").reset_index().to_dict("records")
    return rows


def _book(figures: Mapping[str, float], trading: Trading) -> dict[str, Any]:
    return {
        "currency": trading.currency,
        **figures,
        "fills": trading.fills.to_dict("records"),
        "folds": [asdict(fold) for fold in trading.folds],
        "gates": [asdict(gate) for gate in trading.gates],
        "opens": [asdict(year) for year in trading.opens],
        "restrictions": [asdict(row) for row in trading.restrictions],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.strftime("%Y-%m-%d")
    return None if isinstance(value, float) and not math.isfinite(value) else value
