"""A strategy's name to its checked file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from nightdesk.errors import Misconfigured
from nightdesk.features.matrix import require_features
from nightdesk.settings import Settings
from schemas.strategy import Strategy


def load_strategy(name: str, here: Settings) -> Strategy:
    """The strategy of a name in the strategies folder, or of a path to a TOML file.

    Raises `Misconfigured` naming the key, the value and what is allowed.
    """
    path = Path(name) if name.endswith(".toml") else here.strategies_dir / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in here.strategies_dir.glob("*.toml"))) or "none"
        raise Misconfigured.value("strategy", name, f"a file that ends in .toml, or one of {here.strategies_dir}: {known}")
    try:
        strategy = Strategy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is not a TOML file: {error}.", path=str(path)) from None
    except ValidationError as error:
        raise Misconfigured(f"{path}: {'; '.join(_sentence(row) for row in error.errors())}.", path=str(path)) from None
    for columns in (strategy.features.columns, *(strategy.search.features if strategy.search else ())):
        require_features(columns)
    return strategy


def _sentence(row: Mapping[str, object]) -> str:
    key = ".".join(str(part) for part in row["loc"])  # type: ignore[attr-defined]  # pydantic's loc is a tuple
    if row["type"] == "extra_forbidden":
        return f"{key} is not a key of a strategy file"
    if row["type"] == "missing":
        return f"{key} is missing"
    message = str(row["msg"]).removeprefix("Value error, ")
    return f"{key} was {row['input']!r}, allowed: {message[:1].lower()}{message[1:]}"
