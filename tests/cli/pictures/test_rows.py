"""Where pictures and what is said of them stand on a screen."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from PIL import Image

from mmsearch.cli.pictures.area import Area, Cell
from mmsearch.cli.pictures.choose import Drawing
from mmsearch.cli.pictures.rows import show_with_pictures
from mmsearch.items import Hit, Modality
from mmsearch.testing import make_photo
from tests.cli.pictures.terminals import Screen

COLUMNS, ROWS = 60, 20


def hit(path: Path, **more: object) -> Hit:
    return Hit(1, 1.0, 0.5, path, Modality.IMAGE, 1, 1, **more)  # type: ignore[arg-type]


def hashes(picture: Image.Image, area: Area) -> str:
    """Draws a picture of hashes, and leaves the cursor where it ends."""
    return f"\x1b[{area.columns}D\x1b[B".join(["#" * area.columns] * area.rows)


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((COLUMNS, ROWS)))
    monkeypatch.chdir(tmp_path)

    def show(*hits: Hit, row: int = 0) -> Screen:
        drawing = Drawing("hashes", hashes, Cell(10, 20))
        show_with_pictures(hits, "", drawing, max_megapixels=200)
        screen = Screen(COLUMNS, ROWS, row=row)
        screen.write(capsys.readouterr().out)
        return screen

    return show


@pytest.mark.parametrize("row", [0, 5, 11, ROWS - 1])
def test_text_stands_beside_the_picture_wherever_it_begins(shown, tmp_path: Path, row: int) -> None:
    make_photo(tmp_path / "wide.png", "red", size=(300, 200))

    screen = shown(hit(tmp_path / "wide.png", text="a red wall"), row=row)

    first = screen.text.index("#" * 24 + "  50%")
    assert screen.text[first : first + 8] == [
        "#" * 24 + "  50%",
        "#" * 24 + "  wide.png",
        "#" * 24 + '  "a red wall"',
        *["#" * 24] * 5,
    ]
    assert not any(screen.text[:first])
    assert not any(screen.text[first + 8 :])
    assert screen.column == 0
    assert len(screen.above) + screen.row == first + 9  # one line stays empty


def test_many_hits_scroll_and_none_covers_another(shown, tmp_path: Path) -> None:
    make_photo(tmp_path / "wide.png", "red", size=(300, 200))
    make_photo(tmp_path / "high.png", "red", size=(200, 300))

    screen = shown(*[hit(tmp_path / name) for name in ("wide.png", "high.png") * 3])

    lines = [re.sub(" +", " ", line) for line in screen.text]
    assert [line.rpartition(" ")[2] for line in lines if "png" in line] == [
        "wide.png",
        "high.png",
    ] * 3
    assert "".join(screen.text).count("#") == 3 * (24 * 8 + 11 * 8)


def test_a_line_that_is_too_long_goes_on_below(shown, tmp_path: Path) -> None:
    make_photo(tmp_path / "wide.png", "red", size=(300, 200))
    said = "many words that nobody would read aloud at once without ever taking breath"

    screen = shown(hit(tmp_path / "wide.png", text=said))

    beside = [line[26:] for line in screen.text if line[26:]]
    assert " ".join(beside) == f'50% wide.png "{said}"'
    assert max(map(len, beside)) <= COLUMNS - 26


def test_what_has_no_picture_has_its_text_alone(shown, tmp_path: Path) -> None:
    make_photo(tmp_path / "red.png", "red")
    gone, notes = hit(tmp_path / "gone.jpg"), hit(tmp_path / "notes.txt", text="hello")

    screen = shown(gone, notes, hit(tmp_path / "red.png"))

    text = "\n".join(screen.text)
    assert "no picture: " in text
    assert text.index("gone.jpg") < text.index('"hello"') < text.index("#")

    alone = shown(notes)
    assert alone.text[:3] == ["50%", "notes.txt", '"hello"']


def test_a_name_cannot_steer_the_terminal(shown, tmp_path: Path) -> None:
    screen = shown(hit(tmp_path / "a\x1b[2Jb.txt", text="c\x1b]0;d\x07"))

    assert "a\\x1b[2Jb.txt" in screen.text
    assert '"c\\x1b]0;d\\x07"' in screen.text
