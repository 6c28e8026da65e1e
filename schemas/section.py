"""A table of a strategy file."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen; a key that is not known is refused, as is a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)
