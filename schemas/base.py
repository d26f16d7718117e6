"""The base of every model here: frozen, closed, comparable."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value that never changes after it is built and takes no unknown field."""

    model_config = ConfigDict(frozen=True, extra="forbid")
