from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mmsearch
from mmsearch.encoders import named
from mmsearch.encoders.adapted import (
    HEADS,
    AffineMap,
    HeadInput,
    Heads,
    ResidualHead,
    load_heads,
    save_heads,
)
from mmsearch.encoders.registry import available, load
from mmsearch.errors import EncoderError, EncoderMismatchError, TrainingError, WeightsError
from mmsearch.settings import load_settings
from mmsearch.testing import make_photo

for module in ("onnx", "matplotlib"):
    pytest.importorskip(module, reason="the extra 'train' is not installed")


def train(name: str, captioned: Path, **options: object) -> mmsearch.TrainingReport:
    given = {"images": captioned, "captions": captioned / "captions.tsv", "model": "testing"}
    return mmsearch.train(name, **{**given, "held_out": 0.3, **options})


@pytest.mark.parametrize("method", ["heads", "ridge"])
def test_a_trained_encoder_is_better_and_is_found_by_its_name(method: str, captioned: Path) -> None:
    report = train("italian", captioned, method=method)
    before, after = report.outcome.before, report.outcome.after
    assert after.text_to_image.recall_at_5 > before.text_to_image.recall_at_5 + 10
    assert after.image_to_text.recall_at_5 > before.image_to_text.recall_at_5 + 10

    encoder = load("italian")
    assert encoder.id == report.encoder
    assert encoder.identity.spec == "italian"
    red, blue = encoder.encode_texts(["rosso con bruno", "blu con ciano"])
    photos = np.stack(
        [encoder.transform(Image.new("RGB", (32, 32), colour)) for colour in ("red", "blue")]
    )
    images = encoder.encode_images(photos)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)
    assert red @ images[0] > red @ images[1]
    assert blue @ images[1] > blue @ images[0]
    assert encoder.encode_images(photos[:0]).shape == (0, encoder.dim)
    assert encoder.encode_texts([]).shape == (0, encoder.dim)

    heads = load_heads(report.path / HEADS)
    assert heads.image.input == heads.text.input == "embeddings", "it shows no features"

    listing = {entry.name: entry for entry in available()}["italian"]
    assert (listing.spec, listing.dim, listing.cached) == ("testing", encoder.dim, True)


def test_what_is_stored(captioned: Path) -> None:
    report = train("italian", captioned)
    stored = {path.name for path in report.path.iterdir()}
    wanted = {"README.md", "curves.png", "encoder.json", HEADS, "image_head.onnx", "text_head.onnx"}
    assert stored == wanted
    assert list(report.path.parent.iterdir()) == [report.path]
    card = (report.path / "README.md").read_text(encoding="utf-8")
    assert report.encoder in card
    assert report.base in card
    for metrics in (report.outcome.before, report.outcome.after):
        for found in metrics.as_dict().values():
            assert " | ".join(f"{value:.1f}" for value in found.values()) in card
    assert all(f"`{name}`" in card for name in wanted - {"README.md", "curves.png"})
    with Image.open(report.path / "curves.png") as curves:
        assert curves.format == "PNG"
        assert len(curves.convert("L").getcolors(256) or []) > 10, "something is drawn"


def test_the_card_names_what_is_there(captioned: Path) -> None:
    report = train("italian", captioned, method="procrustes")
    card = (report.path / "README.md").read_text(encoding="utf-8")
    for head in ("image_head.onnx", "text_head.onnx"):
        assert (f"`{head}`" in card) is (report.path / head).exists()


def test_few_photos_are_held_out_one_part_after_the_other(captioned: Path) -> None:
    report = train("few", captioned)
    assert report.outcome.method == "ridge"
    assert report.sizes.folds == report.as_dict()["folds"] == 3
    assert report.sizes.held_out_photos == report.sizes.learnt_photos == 60
    card = (report.path / "README.md").read_text(encoding="utf-8")
    assert "in 3 folds" in card
    assert "trained on | 60 photos" in card


@pytest.mark.parametrize("method", ["heads", "ridge"])
def test_onnx_heads_give_what_the_encoder_gives(method: str, captioned: Path) -> None:
    import onnxruntime

    train("italian", captioned, method=method)
    base, adapted = load("testing"), load("italian")
    path = named.folder_of("italian")
    texts = ["rosso", "blu e verde", ""]
    session = onnxruntime.InferenceSession(path / "text_head.onnx")
    embeddings = base.encode_texts(texts)
    given = {"embeddings": embeddings, "features": embeddings}
    wanted = {entry.name: given[entry.name] for entry in session.get_inputs()}
    (found,) = session.run(None, wanted)
    np.testing.assert_allclose(found, adapted.encode_texts(texts), atol=1e-5)


@pytest.mark.parametrize("method", ["ridge", "procrustes", "whitening"])
def test_closed_forms_store_what_they_reached(method: str, captioned: Path) -> None:
    try:
        report = train("quick", captioned, method=method)
    except TrainingError as error:
        assert method == "whitening", f"only that learns without pairs: {error}"
        assert named.find("quick") is None
    else:
        assert report.outcome.after.score > report.outcome.before.score
        assert load("quick").id == report.encoder


def test_the_same_command_gives_the_same_files(captioned: Path) -> None:
    written = []
    for _ in range(2):
        report = train("again", captioned, method="ridge", replace=True)
        written.append({path.name: path.read_bytes() for path in report.path.iterdir()})
    for _ in range(5):  # of several entries, safetensors writes another one first each time
        save_heads(report.path / HEADS, load_heads(report.path / HEADS))
        written.append(written[0] | {HEADS: (report.path / HEADS).read_bytes()})
    assert all(files == written[0] for files in written)


def test_the_same_seed_gives_the_same_encoder(captioned: Path) -> None:
    first, again = (train(name, captioned, method="heads", seed=3) for name in ("one", "two"))
    assert first.outcome.after == again.outcome.after
    heads = [load_heads(report.path / HEADS) for report in (first, again)]
    np.testing.assert_array_equal(heads[0].image.map.weight, heads[1].image.map.weight)
    other = train("three", captioned, method="heads", seed=4)
    assert other.encoder.partition("@")[2] != first.encoder.partition("@")[2]


def test_refuses_what_is_no_better(tmp_path: Path) -> None:
    lines = ["image\tcaption"]
    colours = ("red", "blue", "green", "yellow")
    for number in range(24):  # captions that say all there is to see: nothing can be better
        make_photo(tmp_path / f"{number}.png", (number * 10, 0, 0))
        lines.append(f"{number}.png\tthe same words for all {colours[number % 4]}")
    (tmp_path / "captions.tsv").write_text("\n".join(lines))
    with pytest.raises(TrainingError, match=r"no better than testing@1 .* before and .* after"):
        train("worse", tmp_path, method="procrustes", held_out=0.05)
    assert named.names() == []
    assert list(load_settings().encoders.glob("*")) == []


def test_names(captioned: Path) -> None:
    for name in ("embedded", "Fast", "auto", "a/b", "..", "", "-x", "nul", "x" * 65):
        with pytest.raises(EncoderError, match="named|name of an encoder"):
            train(name, captioned)
    report = train("mine", captioned)
    with pytest.raises(TrainingError, match=r"already.*--force"):
        train("mine", captioned, method="ridge")
    assert load("mine").id == report.encoder
    replaced = train("mine", captioned, method="procrustes", replace=True)
    assert load("mine").id == replaced.encoder != report.encoder
    assert list(replaced.path.parent.iterdir()) == [replaced.path]
    with pytest.raises(TrainingError, match="made from"):
        train("mine", captioned, model="mine", replace=True)


def test_an_encoder_on_an_encoder(captioned: Path) -> None:
    base = load("testing")
    zeros = AffineMap(np.zeros((base.dim, base.dim), np.float32), np.zeros(base.dim, np.float32))
    heads = Heads(ResidualHead(HeadInput.EMBEDDINGS, zeros), None)
    folder = named.folder_of("first")
    folder.mkdir(parents=True)
    below = named.BaseReference("testing", base.id, base.identity.revision)
    manifest = named.HeadsManifest("first", heads.revision(base.id), base.dim, below)
    manifest.save(folder)
    save_heads(folder / HEADS, heads)

    second = train("second", captioned, model="first")
    assert second.base == load("first").id
    assert load("second").id == second.encoder
    with pytest.raises(TrainingError, match="made from"):
        train("first", captioned, model="second", replace=True)
    train("first", captioned, method="procrustes", replace=True)
    with pytest.raises(EncoderMismatchError, match="Train it again"):
        load("second")


def test_photos_that_cannot_be_read_are_skipped(tmp_path: Path, captioned: Path) -> None:
    import shutil

    shutil.copytree(captioned, tmp_path / "photos")
    (tmp_path / "photos" / "000.png").write_bytes(b"no photo")
    (tmp_path / "photos" / "001.png").write_bytes(b"")
    report = train("partial", tmp_path / "photos")
    assert {failure.path.name for failure in report.skipped} == {"000.png", "001.png"}
    assert (report.sizes.photos, report.sizes.captions) == (58, 116)


def test_copies_of_a_file_are_one_photo(tmp_path: Path, captioned: Path) -> None:
    import shutil

    lines = (captioned / "captions.tsv").read_text().splitlines()
    for name in {line.partition("\t")[0] for line in lines[1:]}:
        shutil.copy(captioned / name, tmp_path / name)
        shutil.copy(captioned / name, tmp_path / f"copy-{name}")
    copied = [f"copy-{line}" for line in lines[1:]] + ["copy-000.png\tancora"]
    (tmp_path / "captions.tsv").write_text("\n".join([*lines, *copied]))
    report = train("copies", tmp_path)
    assert (report.sizes.photos, report.sizes.captions) == (60, 121)


def test_too_few_photos(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.png", "red")
    (tmp_path / "captions.tsv").write_text("image\tcaption\na.png\tred\n")
    with pytest.raises(TrainingError, match="too few"):
        train("few", tmp_path)


def test_what_was_encoded_is_not_encoded_again(captioned: Path) -> None:
    from tests.training.adapt.conftest import Counting

    encoder = Counting()
    train("one", captioned, model=encoder, method="heads")
    assert (encoder.images, encoder.texts) == (120, 120), "plain and mirrored"
    train("two", captioned, model=encoder, method="ridge")
    assert (encoder.images, encoder.texts) == (120, 120)
    for kept in load_settings().cache.rglob("*.npz"):
        kept.write_bytes(b"damaged")
    train("three", captioned, model=encoder, method="ridge")
    assert (encoder.images, encoder.texts) == (180, 240)


def test_ctrl_c_leaves_nothing(captioned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmsearch.training.adapt.train.draw_curves", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train("half", captioned, method="ridge")
    assert named.names() == []
    assert list(load_settings().encoders.iterdir()) == []


def test_from_an_index_with_captions(captioned: Path, tmp_path: Path) -> None:
    with mmsearch.create(tmp_path / "captioned.mmsearch", model="testing") as index:
        index.add(captioned, captions=[captioned / "captions.tsv"])
        report = mmsearch.train("indexed", index=index.path, held_out=0.3)
        assert (report.sizes.photos, report.sizes.captions) == (60, 120)
        assert report.base == index.encoder.id
        index.reencode("indexed")
        assert index.status().encoder == report.encoder
    code = (
        "import mmsearch, sys\n"
        "with mmsearch.open(sys.argv[1]) as index:\n"
        "    print(index.search('rosso con bruno', k=1, modality='image')[0].path.name)\n"
        "    print('torch' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "captioned.mmsearch")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "False", "a query imports no torch"
    with pytest.raises(TrainingError, match="No photo in .* has a caption"):
        empty = mmsearch.create(tmp_path / "empty.mmsearch", model="testing")
        empty.close()
        mmsearch.train("none", index=tmp_path / "empty.mmsearch")


def test_damaged_and_foreign_encoders_are_told(captioned: Path) -> None:
    report = train("mine", captioned, method="ridge")
    manifest = report.path / named.ENCODER
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**document, "format": 99}))
    with pytest.raises(WeightsError, match="newer mmsearch"):
        load("mine")
    manifest.write_text("{")
    with pytest.raises(WeightsError, match="train it again"):
        load("mine")
    assert "mine" not in {entry.name for entry in available()}, "and the list goes on"
    manifest.write_text(json.dumps(document))
    (report.path / HEADS).write_bytes(b"")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load("mine")


def test_missing_extra_is_named(captioned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r'pip install "mmsearch\[train\]"'):
        train("none", captioned)
