"""Where the service's settings come from, and that a wrong one is named with its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.settings import FIELDS, gather
from engine import BadInput

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_flags_win_over_the_environment_and_that_over_the_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "crosslight.toml").write_text(
        'port = 1\nhost = "::1"\ngallery = "a"\nmore_galleries = ["b", "c"]\n'
    )
    monkeypatch.setenv("CROSSLIGHT_PORT", "2")
    monkeypatch.setenv("CROSSLIGHT_HOST", "localhost")
    settings, origins = gather({"port": 3, "model": None})
    sources = {origin.name: origin.source for origin in origins}
    assert (settings.port, sources["port"]) == (3, "flag")
    assert (settings.host, sources["host"]) == ("localhost", "environment")
    assert (settings.gallery, sources["gallery"]) == (Path("a"), "file crosslight.toml")
    assert settings.more_galleries == (Path("b"), Path("c"))
    assert (settings.model, sources["model"]) == (None, "default")


def test_a_list_in_the_environment_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSLIGHT_MORE_GALLERIES", "b, c")
    assert gather({})[0].more_galleries == (Path("b"), Path("c"))


def test_a_wrong_setting_is_named_with_its_source(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSLIGHT_PORT", "many")
    with pytest.raises(BadInput, match="port is 'many', from environment"):
        gather({})
    monkeypatch.delenv("CROSSLIGHT_PORT")
    file = here / "own.toml"
    monkeypatch.setenv("CROSSLIGHT_CONFIG", str(file))
    with pytest.raises(BadInput, match="there is no such file"):
        gather({})
    for text, said in [("prt = 1\n", "sets 'prt'"), ("port = \n", "is not TOML")]:
        file.write_text(text)
        with pytest.raises(BadInput, match=said):
            gather({})


def test_every_setting_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    for name in FIELDS:
        assert f"| `{name}` |" in text, name
