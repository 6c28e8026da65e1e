"""What Prefect's form asks for a strategy: one of the files that lie there when the deployments are made, or another."""

from typing import Annotated

from pydantic import WithJsonSchema

from nightdesk.settings import settings

_LISTED = sorted(file.stem for file in settings().strategies_dir.glob("*.toml"))
_CHOICES: list[dict[str, object]] = [{"title": "listed", "type": "string", "enum": _LISTED}] if _LISTED else []

StrategyName = Annotated[str, WithJsonSchema({"anyOf": [*_CHOICES, {"title": "name or path", "type": "string"}]})]
