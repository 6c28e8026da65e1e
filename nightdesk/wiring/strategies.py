"""A strategy's name to its checked file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from nightdesk.errors import Misconfigured
from nightdesk.features.matrix import own_functions, require_features
from nightdesk.fence.own import WEIGHTS, OwnCode, require_functions
from nightdesk.settings import Settings
from nightdesk.signals.rules import OWN_RULE, require_rule
from schemas.strategy import LONGEST_CODE, Strategy


def load_strategy(name: str, here: Settings) -> Strategy:
    """The strategy of a name in the strategies folder, or of a path to a TOML file.

    Raises `Misconfigured` naming the key, the value and what is allowed.
    """
    path = strategy_path(name, here)
    try:
        return strategy_of(path.read_text(encoding="utf-8"), path)
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not a TOML file: {error}.", path=str(path)) from None


def strategy_of(text: str, path: Path) -> Strategy:
    """The strategy of a text that stands at a path, or is to: its own code lies beside. Raises `Misconfigured`."""
    try:
        document = tomllib.loads(text)
        if "own_code" in document:
            raise Misconfigured.value("own_code", document["own_code"], "no text here: the desk reads NAME.py beside the file")
        strategy = Strategy.model_validate(document)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not a TOML file: {error}.", path=str(path)) from None
    except ValidationError as error:
        raise Misconfigured(f"{path}: {'; '.join(_sentence(row) for row in error.errors())}.", path=str(path)) from None
    if strategy.kind == "model":
        for columns in _all_columns(strategy):
            require_features(columns)
    require_rule(strategy)
    return _with_own_code(strategy, path.with_name(strategy.own_file))


def _all_columns(strategy: Strategy) -> list[tuple[str, ...]]:
    """The columns of a model, and those that its search tries."""
    return [strategy.features.columns, *(strategy.search.features if strategy.search else ())]


def _own_functions(strategy: Strategy) -> list[str]:
    """The functions of the strategy's own file that the strategy needs."""
    if strategy.rule is not None and strategy.rule.name == OWN_RULE:
        return [WEIGHTS]
    every = dict.fromkeys(name for columns in _all_columns(strategy) for name in columns) if strategy.kind == "model" else {}
    return own_functions(list(every))


def _with_own_code(strategy: Strategy, path: Path) -> Strategy:
    """The strategy with the text of its own file, where it names functions of it. Raises `Misconfigured` where one is missing."""
    functions = _own_functions(strategy)
    if not functions:
        return strategy
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Misconfigured(f"{path} does not exist; {functions[0]} is to be a function of it.", path=str(path)) from None
    except (UnicodeDecodeError, OSError) as error:
        raise Misconfigured(f"{path} cannot be read as UTF-8 text: {error}.", path=str(path)) from None
    if len(text) > LONGEST_CODE:
        raise Misconfigured.value(f"the length of {path.name}", len(text), f"up to {LONGEST_CODE} characters")
    require_functions(OwnCode(strategy.own_file, text), functions)
    return strategy.model_copy(update={"own_code": text})


def strategy_path(name: str, here: Settings) -> Path:
    """The file of a strategy; what it names lies beside it. Raises `Misconfigured` where there is none."""
    path = Path(name) if name.endswith(".toml") else here.strategies_dir / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in here.strategies_dir.glob("*.toml"))) or "none"
        raise Misconfigured.value("strategy", name, f"a file that ends in .toml, or one of {here.strategies_dir}: {known}")
    return path


def _sentence(row: Mapping[str, object]) -> str:
    key = ".".join(str(part) for part in row["loc"])  # type: ignore[attr-defined]  # pydantic's loc is a tuple
    if row["type"] == "extra_forbidden":
        return f"{key} is not a key of a strategy file"
    if row["type"] == "missing":
        return f"{key} is missing"
    message = str(row["msg"]).removeprefix("Value error, ")
    if not key:
        return message
    return f"{key} was {row['input']!r}, allowed: {message[:1].lower()}{message[1:]}"
