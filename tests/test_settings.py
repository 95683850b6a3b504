"""flag > MMSEARCH_* environment > mmsearch.toml > default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmsearch.errors import SettingsError
from mmsearch.settings import Settings, load_settings


def test_the_nearest_value_wins(tmp_path: Path) -> None:
    config = tmp_path / "mmsearch.toml"
    config.write_text('model = "fast"\nindex = "holidays"\nmax_megapixels = 50\n')
    environ = {"MMSEARCH_MODEL": "best", "MMSEARCH_INDEX": ""}

    settings = load_settings({"max_megapixels": 10, "index": None}, environ=environ, config=config)

    assert settings.model == "best"
    assert settings.index == "holidays"
    assert settings.max_megapixels == 10
    assert settings.device == "auto"


def test_the_configuration_in_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().exclude == ()
    (tmp_path / "mmsearch.toml").write_text('exclude = ["*.tmp", "raw/"]\n')
    assert load_settings().exclude == ("*.tmp", "raw/")
    assert load_settings(environ={"MMSEARCH_EXCLUDE": f"a{os.pathsep}b"}).exclude == ("a", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("modell = 'fast'", "no setting 'modell'"),
        ("model = 3", "model must be a text"),
        ("encoders = 3", "encoders must be a text"),
        ("model = ", "not valid TOML"),
        ("device = 'tpu'", "auto, cpu or cuda"),
        ("max_megapixels = -1", "above 0"),
        ("max_megapixels = 'many'", "above 0"),
        ("exclude = [1]", "list of glob patterns"),
        ("model = '\udcff'", "not valid TOML"),
    ],
)
def test_bad_values_are_named_with_their_origin(tmp_path: Path, content: str, message: str) -> None:
    config = tmp_path / "mmsearch.toml"
    config.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(config=config, environ={})
    assert str(config) in str(caught.value)


def test_bad_environment_is_named() -> None:
    with pytest.raises(SettingsError, match="MMSEARCH_DEVICE"):
        load_settings(environ={"MMSEARCH_DEVICE": "abacus"})


def test_an_index_is_a_name_or_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir=tmp_path / "data")

    assert settings.index_path() == tmp_path / "data" / "default"
    assert settings.index_path("holidays") == tmp_path / "data" / "holidays"
    assert settings.index_path("photos.mmsearch") == tmp_path / "photos.mmsearch"
    assert settings.index_path("./holidays") == tmp_path / "holidays"
    assert settings.index_path(Path("holidays")) == tmp_path / "holidays"
    (tmp_path / "holidays").mkdir()
    (tmp_path / "holidays" / "catalog.sqlite").touch()
    assert settings.index_path("holidays") == tmp_path / "holidays"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("300ms", 0.3), ("2s", 2), ("1.5 s", 1.5), (".5s", 0.5), ("2", 2), (0.25, 0.25)],
)
def test_a_budget_is_a_time(tmp_path: Path, given: str | float, seconds: float) -> None:
    assert load_settings({"budget": given}, environ={}).budget == pytest.approx(seconds)
    config = tmp_path / "mmsearch.toml"
    config.write_text(f"budget = {given!r}\nrerank = 'auto'")
    settings = load_settings(environ={}, config=config)
    assert (settings.budget, settings.rerank) == (pytest.approx(seconds), "auto")


@pytest.mark.parametrize("given", ["soon", "0", "-1s", "3m", "ms", "1e9s", True, "nan", "٣s"])
def test_a_budget_that_is_no_time_is_named(given: object) -> None:
    with pytest.raises(SettingsError, match="--budget must be a time such as 300ms"):
        load_settings({"budget": given}, environ={})
