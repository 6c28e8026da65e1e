"""A table of a strategy file, and what more than one of them holds."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Parameter = bool | int | float | str | list[float] | list[int] | list[str]


class Section(BaseModel):
    """Frozen; a key that is not known is refused, as is a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)
