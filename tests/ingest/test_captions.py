"""What other files say of a photo: it is found by that, and each of them changes alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

import mmsearch
from mmsearch.errors import DatasetError, SourceNotFoundError
from mmsearch.items import Modality
from mmsearch.testing import TinyEncoder, make_photo


def captions(index: mmsearch.Index, name: str | None = None) -> list[str]:
    """The captions in an index, or those of one photo, in alphabetical order."""
    hits = index.search("anything", modality="caption", k=1000, grouped=False)
    return sorted(hit.text or "" for hit in hits if name in (None, hit.path.name))


def items(index: mmsearch.Index) -> dict[int, tuple[str, str | None]]:
    """Modality and text of each item."""
    hits = index.search("anything", k=1000, grouped=False)
    return {hit.item: (hit.modality.value, hit.text) for hit in hits}


def test_a_sidecar_is_a_caption_of_its_photo(index, photos) -> None:
    (photos / "red.txt").write_text("My grandmother's roses\n")
    report = index.add(photos)

    assert (report.added, len(report.failed)) == (4, 0)
    (hit,) = index.search("grandmother's roses", modality="caption")
    assert (hit.path, hit.text) == (photos / "red.png", "My grandmother's roses")
    assert index.status().items == {Modality.IMAGE: 4, Modality.CAPTION: 1}


def test_a_changed_sidecar_changes_its_captions_and_nothing_else(index, photos, encoder) -> None:
    (photos / "red.txt").write_text("Roses\n\nTulips\n")
    index.add(photos)
    before = items(index)
    encoder.forget()
    (photos / "red.txt").write_text("Roses\n\nOrchids in a vase\n")
    report = index.add(photos)
    encoded = list(encoder.texts)
    after = items(index)

    assert (report.updated, report.unchanged) == (1, 3)
    assert encoder.images == 0
    assert encoded == ["Orchids in a vase"]
    assert {item: before[item] for item in before.keys() & after.keys()} == {
        item: what for item, what in before.items() if what[1] != "Tulips"
    }
    assert captions(index) == ["Orchids in a vase", "Roses"]


def test_a_sidecar_that_comes_or_goes_changes_its_photo_alone(index, photos, encoder) -> None:
    index.add(photos)
    encoder.forget()
    (photos / "red.jpg.txt").write_text("speaks of no photo here")
    (photos / "red.png.txt").write_text("Roses")
    index.add(photos)
    assert captions(index, "red.png") == ["Roses"]

    (photos / "red.png.txt").unlink()
    index.add(photos)
    assert captions(index, "red.png") == []
    assert encoder.images == 0


def test_a_text_becomes_a_sidecar_when_its_photo_comes(index, photos) -> None:
    (photos / "trip.txt").write_text("A long walk.")
    index.add(photos)
    assert captions(index, "trip.txt") == ["A long walk."]

    make_photo(photos / "trip.png", "grey")
    index.add(photos)
    assert captions(index) == ["A long walk."]
    assert captions(index, "trip.png") == ["A long walk."]

    (photos / "trip.png").unlink()
    index.add(photos)
    assert captions(index, "trip.txt") == ["A long walk."]
    assert index.verify() == []


def test_a_broken_sidecar_costs_itself(index, photos) -> None:
    (photos / "red.json").write_text("{ broken")
    report = index.add(photos)
    assert report.added == 4
    assert [failure.path for failure in report.failed] == [photos / "red.json"]
    assert [failure.path for failure in index.status().failed] == [photos / "red.json"]

    again = index.add(photos)
    assert (again.unchanged, [failure.path for failure in again.failed]) == (
        4,
        [photos / "red.json"],
    )

    (photos / "red.json").write_text(json.dumps({"caption": "Roses"}))
    assert index.add(photos).failed == ()
    assert index.status().failed == ()
    assert captions(index) == ["Roses"]


def test_captions_inside_a_photo_are_read(index, photos) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Description", "Der Strand von Sylt")
    Image.new("RGB", (20, 20), "white").save(photos / "sylt.png", pnginfo=text)
    (photos / "sylt.txt").write_text("der  strand von sylt")
    index.add(photos)

    assert captions(index, "sylt.png") == ["Der Strand von Sylt"]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    path = tmp_path / "captions.tsv"
    path.write_text(
        "image\tcaption\n"
        "red.png\ta red wall\n"
        "red.png\tsomething scarlet\n"
        "deep/yellow.png\ta lemon\n"
        "lost.png\tnobody\n"
    )
    return path


def test_a_caption_file_speaks_of_many_photos(index, photos, collection) -> None:
    report = index.add(photos, captions=[collection])

    assert (report.added, report.unmatched_captions) == (4, 1)
    assert captions(index, "red.png") == ["a red wall", "something scarlet"]
    assert captions(index, "yellow.png") == ["a lemon"]


def test_a_caption_file_is_remembered_and_changes_alone(index, photos, collection, encoder) -> None:
    index.add(photos, captions=[collection])
    encoder.forget()
    collection.write_text("image\tcaption\nred.png\ta red wall\nblue.png\tthe sea\n")
    report = index.update()
    encoded = list(encoder.texts)

    assert (report.updated, report.unchanged) == (3, 1)
    assert (encoder.images, encoded) == (0, ["the sea"])
    assert captions(index) == ["a red wall", "the sea"]


def test_captions_stay_while_their_file_is_away(index, photos, collection) -> None:
    index.add(photos, captions=[collection])
    collection.rename(collection.with_suffix(".away"))
    report = index.update()

    assert [failure.path for failure in report.failed] == [collection]
    assert (report.unchanged, report.updated) == (4, 0)
    assert captions(index) == ["a lemon", "a red wall", "something scarlet"]


def test_a_caption_file_is_taken_out_with_its_captions(index, photos, collection) -> None:
    (photos / "red.txt").write_text("Roses")
    index.add(photos, captions=[collection])
    index.remove(collection)

    assert captions(index) == ["Roses"]
    index.update()
    assert captions(index) == ["Roses"]
    with pytest.raises(SourceNotFoundError):
        index.remove(collection)


def test_taking_out_one_caption_file_leaves_what_another_says(
    index, photos, collection, tmp_path, encoder
) -> None:
    long = "A wall. " + "It was painted on a warm morning in June by two of us. " * 20
    other = tmp_path / "other.csv"
    other.write_text(f'image,caption\nred.png,a red wall\nblue.png,"{long}"\n')
    index.add(photos, captions=[collection, other])
    before = set(captions(index, "blue.png"))
    assert len(before) > 1
    encoder.forget()
    index.remove(collection)

    assert captions(index, "yellow.png") == []
    assert set(captions(index, "red.png")) == {"a red wall"}
    assert set(captions(index, "blue.png")) == before
    index.update()
    assert captions(index, "red.png") == ["a red wall"]
    assert encoder.images == 0


def test_a_caption_file_that_cannot_be_read_stops_before_anything_is_stored(
    index, photos, tmp_path
) -> None:
    (tmp_path / "captions.json").write_text("[]")
    with pytest.raises(DatasetError):
        index.add(photos, captions=[tmp_path / "captions.json"])
    assert index.status().sources == ()


def test_a_caption_file_in_the_folder_itself_is_no_text_of_its_own(index, photos) -> None:
    (photos / "captions.txt").write_text("image,caption\nred.png,a red wall\n")
    index.add(photos, captions=[photos / "captions.txt"])

    assert captions(index) == ["a red wall"]


def test_a_moved_photo_takes_the_captions_of_its_new_place(index, photos, encoder) -> None:
    (photos / "red.txt").write_text("Roses")
    index.add(photos)
    encoder.forget()
    (photos / "red.png").rename(photos / "deep" / "rose.png")
    (photos / "red.txt").unlink()
    (photos / "deep" / "rose.txt").write_text("A rose")
    index.add(photos)

    assert encoder.images == 0
    assert captions(index) == ["A rose"]
    assert captions(index, "rose.png") == ["A rose"]


def test_a_copy_of_a_photo_has_captions_of_its_own(index, photos) -> None:
    (photos / "red.txt").write_text("Roses")
    index.add(photos)
    (photos / "copy.png").write_bytes((photos / "red.png").read_bytes())
    (photos / "copy.txt").write_text("A copy")
    index.add(photos)

    assert captions(index, "red.png") == ["Roses"]
    assert captions(index, "copy.png") == ["A copy"]


def test_a_changed_photo_keeps_its_captions(index, photos, collection) -> None:
    (photos / "red.txt").write_text("Roses")
    index.add(photos, captions=[collection])
    make_photo(photos / "red.png", "darkred", size=(10, 10))
    index.add(photos)

    assert captions(index, "red.png") == ["Roses", "a red wall", "something scarlet"]


def test_a_changed_photo_keeps_its_captions_while_their_file_is_away(
    index, photos, collection
) -> None:
    index.add(photos, captions=[collection])
    collection.rename(collection.with_suffix(".away"))
    make_photo(photos / "red.png", "darkred", size=(10, 10))
    index.update()
    assert captions(index, "red.png") == ["a red wall", "something scarlet"]

    (photos / "red.png").write_bytes(b"broken")
    index.update()
    make_photo(photos / "red.png", "red", size=(10, 10))
    index.update()
    collection.with_suffix(".away").rename(collection)
    index.update()
    assert captions(index, "red.png") == ["a red wall", "something scarlet"]


def test_a_moved_photo_is_still_the_only_one_of_its_name(index, photos, collection) -> None:
    index.add(photos, captions=[collection])
    (photos / "red.png").rename(photos / "deep" / "red.png")

    assert index.update().unmatched_captions == 1
    assert captions(index, "red.png") == ["a red wall", "something scarlet"]


def test_a_single_photo_has_captions_in_a_caption_file(index, photos, collection) -> None:
    assert index.add(photos / "red.png", captions=[collection]).unmatched_captions == 2
    assert captions(index, "red.png") == ["a red wall", "something scarlet"]


def test_sources_that_share_a_caption_file_can_become_one(index, photos, collection) -> None:
    index.add(photos / "deep", captions=[collection])
    index.add(photos / "red.png", captions=[collection])
    index.add(photos)

    assert captions(index) == ["a lemon", "a red wall", "something scarlet"]


def test_a_text_that_becomes_a_sidecar_can_be_copied_at_once(index, photos) -> None:
    (photos / "a.txt").write_text("A long walk.")
    index.add(photos)
    make_photo(photos / "a.png", "grey")
    (photos / "b.txt").write_text("A long walk.")
    report = index.add(photos)

    assert (report.added, report.removed) == (2, 1)
    assert captions(index, "a.png") == captions(index, "b.txt") == ["A long walk."]
    assert captions(index, "a.txt") == []


def test_a_sidecar_that_is_indexed_by_name_does_not_stay_a_text(index, photos) -> None:
    (photos / "red.txt").write_text("Roses")
    index.add(photos)
    index.add(photos / "red.txt")
    report = index.update()

    assert report.failed == ()
    assert captions(index) == ["Roses"]


def test_a_broken_sidecar_of_two_photos_is_reported_once(index, photos) -> None:
    make_photo(photos / "red.gif", "red")
    (photos / "red.json").write_text("{ broken")
    for _ in range(2):
        assert [failure.path for failure in index.add(photos).failed] == [photos / "red.json"]

    (photos / "red.gif").write_bytes(b"broken")
    assert len(index.add(photos).failed) == 2
    assert len(index.status().failed) == 2


def test_half_a_surrogate_pair_in_a_caption_is_shown_as_a_question_mark(index, photos) -> None:
    listed = photos.parent / "captions.jsonl"
    listed.write_text(r'{"image": "red.png", "caption": "roses \ud83d"}')
    index.add(photos, captions=[listed])

    assert captions(index) == ["roses ?"]


def test_texts_are_cut_into_passages(index, photos) -> None:
    paragraphs = [f"Day {day}. " + "We walked along the river. " * 8 for day in range(5)]
    (photos / "diary.md").write_text("# Diary\n\n" + "\n\n".join(paragraphs))
    index.add(photos)

    found = captions(index, "diary.md")
    assert len(found) >= 5
    assert index.search("Diary", modality="caption", k=1)[0].path.name == "diary.md"


def test_a_single_photo_has_its_sidecar_too(index, tmp_path) -> None:
    photo = make_photo(tmp_path / "single" / "rose.png", "red")
    photo.with_suffix(".txt").write_text("A rose")
    index.add(photo)
    assert captions(index) == ["A rose"]

    photo.with_suffix(".txt").write_text("The same rose")
    index.update()
    assert captions(index) == ["The same rose"]


def test_another_encoder_embeds_captions_anew(index, photos, collection) -> None:
    (photos / "red.txt").write_text("Roses")
    index.add(photos, captions=[collection])
    before = items(index)
    index.reencode(TinyEncoder(seed=3))

    assert items(index) == before
    assert index.search("a lemon", modality="caption")[0].path.name == "yellow.png"
    assert index.verify() == []


def test_removing_a_photo_removes_its_captions(index, photos, collection) -> None:
    index.add(photos, captions=[collection])
    index.remove(photos / "red.png")

    assert captions(index) == ["a lemon"]
    assert index.search("scarlet", modality="caption")[0].path.name != "red.png"
