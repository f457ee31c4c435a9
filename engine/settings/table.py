"""What every table of the configuration is made of: its strictness, and the kinds of values that several share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from engine.settings.values import Threshold, as_http_url, as_list, as_service_url, as_text, as_threshold

Text = Annotated[str, BeforeValidator(as_text)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(as_list)]
FilePath = Annotated[Path, BeforeValidator(as_text), Field(strict=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
ServiceUrl = Annotated[str, BeforeValidator(as_service_url)]
HttpUrl = Annotated[str, BeforeValidator(as_http_url)]
Limit = Annotated[Threshold, BeforeValidator(as_threshold)]


class Table(BaseModel):
    """A table of the file: exact types, no unknown keys, immutable, and no value in any error."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        defer_build=True,  # what validates is made once, for the whole file, and not for each of its tables as well
    )
