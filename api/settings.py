"""Where the service's settings come from: flags, then the environment, then a TOML file, then defaults.

A variable of the environment is the setting's name in capitals after `CROSSLIGHT_`: `CROSSLIGHT_PORT=9000`.
The file is `crosslight.toml` in the working directory, or the one that `CROSSLIGHT_CONFIG` names:

    gallery = "photos.gallery"
    port = 9000
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError, create_model
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from api.http.settings import Settings
from engine.errors import BadInput

PREFIX = "CROSSLIGHT_"
CONFIG = "CROSSLIGHT_CONFIG"
DEFAULT_CONFIG = Path("crosslight.toml")
DEFAULT_GALLERY = Path("crosslight.gallery")

FIELDS = Settings.__pydantic_fields__  # type: ignore[attr-defined]
_annotated: dict[str, Any] = {name: (field.annotation, field) for name, field in FIELDS.items()}
_Layered = create_model("_Layered", __base__=BaseSettings, **_annotated)
_Layered.model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid")


@dataclass(frozen=True, slots=True)
class Origin:
    """One setting: its value, and where that came from."""

    name: str
    value: Any
    source: str
    meaning: str


def gather(flags: Mapping[str, Any]) -> tuple[Settings, list[Origin]]:
    """Make the settings of flags (`None`: not given), environment and file; say where each came from.

    Raises `BadInput` that names a setting which is unknown or does not fit, and its source.
    """
    layers = _layers({name: value for name, value in flags.items() if value is not None})
    given: dict[str, Any] = {"gallery": DEFAULT_GALLERY}
    sources = {"gallery": "default"}
    for source, values in reversed(layers):
        unknown = sorted(set(values) - set(FIELDS))
        if unknown:
            raise BadInput(f"{source} sets {unknown[0]!r}; there is {', '.join(FIELDS)}")
        given.update(values)
        sources.update(dict.fromkeys(values, source))
    try:
        settings = TypeAdapter(Settings).validate_python(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0])
        said = f"{name} is {given.get(name)!r}, from {sources.get(name)}: {wrong['msg']}"
        raise BadInput(said) from None
    values = asdict(settings)
    origins = [
        Origin(name, values[name], sources.get(name, "default"), field.description or "")
        for name, field in FIELDS.items()
    ]
    return settings, origins


def _layers(flags: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what each source sets, the strongest first."""
    environment = EnvSettingsSource(_Layered)()
    return [("flag", flags), ("environment", environment), *_file()]


def _file() -> list[tuple[str, dict[str, Any]]]:
    named = os.environ.get(CONFIG)
    path = Path(named) if named else DEFAULT_CONFIG
    if not path.is_file():
        if named:
            raise BadInput(f"{CONFIG} names {path}, and there is no such file")
        return []
    try:
        return [(f"file {path}", TomlConfigSettingsSource(_Layered, path)())]
    except ValueError as error:
        raise BadInput(f"{path} is not TOML: {error}") from None
