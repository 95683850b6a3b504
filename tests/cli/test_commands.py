"""Each command, from the outside: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mmsearch as library
from mmsearch.cli.app import app
from mmsearch.settings import load_settings
from mmsearch.testing import make_photo
from tests.cli.conftest import indexed

MODEL = ("--model", "testing")


def test_index_then_query(mmsearch, photos: Path) -> None:
    done = mmsearch("index", photos, *MODEL)
    assert done.stdout.startswith("4 added, 0 updated, 0 removed, 0 unchanged, 0 failed in ")
    assert "4/4" in done.stderr
    assert "files/s" in done.stderr

    lines = mmsearch("query", "a red photo", "-k", "2", "--all").stdout.splitlines()
    assert lines[0].split() == ["relevance", "taken", "hit"]
    assert lines[1].endswith(str(Path("photos") / "red.png"))
    assert len(lines) == 3


def test_query_as_json(mmsearch, photos: Path) -> None:
    indexed(photos)
    found = json.loads(mmsearch("query", "a red photo", "-k", "1", "--json").stdout)
    assert found["query"] == "a red photo"
    assert found["encoder"] == "testing@1"
    assert found["took_ms"] > 0
    (hit,) = found["hits"]
    assert hit["path"] == str(photos / "red.png")
    assert (hit["rank"], hit["modality"], found["hidden"]) == (1, "image", 0)
    assert 0.5 < hit["relevance"] <= 1
    assert 0.5 < hit["answered"] <= 1
    assert hit["reranked"] is None
    assert {"score", "item", "asset", "text", "start", "end"} <= hit.keys()


def test_the_list_ends_where_relevance_ends(mmsearch, photos: Path) -> None:
    indexed(photos)
    red = mmsearch("query", "red")
    assert len(red.stdout.splitlines()) == 2
    assert "1 hit; 3 less likely with --all." in red.stderr
    assert mmsearch("query", "red", "--paths").stdout == f"{photos / 'red.png'}\n"

    zebra = mmsearch("query", "zebra")
    assert zebra.stdout == ""
    assert "Nothing here answers that; --all shows the nearest." in zebra.stderr
    everything = mmsearch("query", "zebra", "--all")
    assert len(everything.stdout.splitlines()) == 5
    assert "less likely" not in everything.stderr

    found = json.loads(mmsearch("query", "zebra", "--json").stdout)
    assert (found["hits"], found["hidden"]) == ([], 4)


def test_query_reranked(mmsearch, photos: Path) -> None:
    indexed(photos)
    (photos / "blue.png").unlink()
    reranked = ("query", "green", "--rerank", "testing", "--all")
    found = json.loads(mmsearch(*reranked, "--json").stdout)["hits"]
    assert Path(found[0]["path"]).name == "green.png"
    assert found[0]["reranked"] > 0.5
    (gone,) = (hit for hit in found if Path(hit["path"]).name == "blue.png")
    assert gone["reranked"] is None
    shown = mmsearch(*reranked).stdout.splitlines()
    assert shown[0].split() == ["relevance", "reranked", "taken", "hit"], "what it is ordered by"
    scores = [line.split()[1] for line in shown[1:]]
    assert scores[0] == f"{found[0]['reranked']:.3f}"
    assert "-" in scores
    failed = mmsearch("query", "green", "--rerank", "testin", code=1)
    assert "Did you mean testing?" in failed.stderr


def test_query_by_a_photo(mmsearch, photos: Path) -> None:
    indexed(photos)
    done = mmsearch("query", photos / "blue.png", "-k", "1", "--paths")
    assert done.stdout == f"{photos / 'blue.png'}\n"


def test_a_query_is_an_image_only_if_it_names_one(mmsearch, photos: Path, tmp_path: Path) -> None:
    indexed(photos)
    (tmp_path / "red").write_text("a file that happens to be called so")
    assert mmsearch("query", "red", "-k", "1", "--paths").stdout.endswith("red.png\n")
    (photos / "blue.png").rename(tmp_path / "nosuffix")
    done = mmsearch("query", "./nosuffix", "-k", "1", "--paths")
    assert done.stdout.endswith("blue.png\n")
    assert "no file blu.png here" in mmsearch("query", "blu.png").stderr
    assert mmsearch("query", "x" * 5000, "-k", "1", "--all").stderr == ""
    mmsearch("query", "~nobodyatall/x.jpg")


def test_query_in_a_folder(mmsearch, photos: Path) -> None:
    indexed(photos)
    done = mmsearch("query", "red", "--in", photos / "deep", "--paths", "--all")
    assert done.stdout == f"{photos / 'deep' / 'yellow.png'}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_paths_for_pipes_keep_their_bytes(mmsearch, photos: Path) -> None:
    odd = os.fsencode(photos) + b"/new\nline\xe9.png"
    os.rename(os.fsencode(photos / "red.png"), odd)
    indexed(photos)

    done = mmsearch("query", "red", "-k", "1", "-0")
    assert os.fsencode(done.stdout) == odd + b"\0"
    assert json.loads(mmsearch("query", "red", "-k", "1", "--json").stdout)["hits"][0][
        "path"
    ] == os.fsdecode(odd)
    assert "\\n" in mmsearch("query", "red", "-k", "1").stdout.splitlines()[1]


def test_the_second_run_and_the_report_as_json(mmsearch, photos: Path) -> None:
    indexed(photos)
    (photos / "broken.jpg").write_bytes(b"broken")
    (photos / "red.png").unlink()
    done = mmsearch("index", "--json")
    report = json.loads(done.stdout)
    assert report.keys() == {
        "added", "updated", "removed", "unchanged", "failed", "seconds", "items_per_second",
    }  # fmt: skip
    assert (report["added"], report["removed"], report["unchanged"]) == (0, 1, 3)
    (failure,) = report["failed"]
    assert failure["path"] == str(photos / "broken.jpg")

    assert "broken.jpg: " in mmsearch("status", "--failed").stdout
    status = json.loads(mmsearch("status", "--json").stdout)
    assert status["assets"] == 3
    assert status["items"] == {"image": 3}
    assert status["failed"] == report["failed"]
    assert status["encoder"] == "testing@1"
    assert status["bytes"] > 0


def test_remove(mmsearch, photos: Path) -> None:
    indexed(photos)
    assert mmsearch("remove", photos / "deep").stdout == "1 removed\n"
    assert json.loads(mmsearch("remove", photos, "--json").stdout) == {"removed": 3, "items": 3}
    done = mmsearch("query", "red")
    assert (done.stdout, done.stderr) == ("", "No hits.\n")


def test_removed_captions_are_counted(mmsearch, photos: Path, tmp_path: Path) -> None:
    captions = captions_of(photos, tmp_path)
    with library.create(load_settings().index_path(), model="testing") as made:
        made.add(photos, captions=captions)
    counts = json.loads(mmsearch("remove", captions, "--json").stdout)
    assert counts == {"removed": 0, "items": 3}


@pytest.mark.parametrize("name", ["paper.pdf", "captions.tsv"])
def test_a_mistake_leaves_no_empty_index(mmsearch, photos: Path, tmp_path: Path, name: str) -> None:
    mistake = tmp_path / name
    mistake.write_text("nothing of use")
    given = [mistake] if name == "paper.pdf" else [photos, "--captions", mistake]
    done = mmsearch("index", *given, *MODEL, "--index", "./new", code=1)
    assert name in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["index", "watch", "remove"])
def test_an_empty_text_is_no_path(command: str) -> None:
    result = CliRunner().invoke(app, [command, ""])
    assert result.exit_code == 2
    assert "an empty text is no path" in result.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["-people"], "comes after --: mmsearch query -- '-people'"),
        (["-k", "3", "-(a dog)"], "comes after --: mmsearch query -- '-(a dog)'"),
        (["--open", "-people"], "comes after --"),
        (["--people"], "No such option"),
        (["red", "--json", "--pictures"], "only one of --json, --paths and --pictures"),
    ],
)
def test_a_query_that_cannot_be_told_from_options(given: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["query", *given])
    assert result.exit_code == 2
    assert message in result.stderr


def test_models(mmsearch) -> None:
    listed = json.loads(mmsearch("models", "--json").stdout)["models"]
    assert {"embedded", "fast", "balanced", "best"} <= {model["name"] for model in listed}
    assert "embedded" in mmsearch("models").stdout


def test_eval(mmsearch, photos: Path, tmp_path: Path) -> None:
    captions = tmp_path / "captions.tsv"
    rows = [f"{colour}.png\ta {colour} photo\n" for colour in ("red", "green", "blue")]
    captions.write_text("image\tcaption\n" + "".join(rows))

    report = json.loads(
        mmsearch("eval", "--images", photos, "--captions", captions, *MODEL, "--json").stdout
    )
    assert (report["encoder"], report["gallery"], report["queries"]) == ("testing@1", 3, 3)
    perfect = {"R@1": 100.0, "R@5": 100.0, "R@10": 100.0, "MRR": 100.0}
    assert report["text_to_image"].items() >= perfect.items()
    assert report["image_to_text"].items() >= perfect.items()
    shown = mmsearch("eval", "--images", photos, "--captions", captions, *MODEL).stdout
    assert "3 captions of 3 photos" in shown
    assert shown.count("first stage ") == 2
    assert all(len(line) <= 80 for line in shown.splitlines())


def captions_of(photos: Path, folder: Path) -> Path:
    path = folder / "captions.tsv"
    rows = [f"{photo.name}\ta {photo.stem} photo\n" for photo in sorted(photos.glob("*.png"))]
    path.write_text("image\tcaption\n" + "".join(rows))
    return path


def test_eval_with_everything(mmsearch, photos: Path, tmp_path: Path) -> None:
    data = ("--images", photos, "--captions", captions_of(photos, tmp_path))
    models = (*MODEL, "--model", "testing")
    done = mmsearch("eval", *data, *models, "--rerank", "testing", "--per-query", "q.jsonl")
    assert "[2] against [1]: R@1 +0.0 (+0.0 to +0.0, maybe chance)" in done.stdout
    assert "[1] + testing: R@1 " in done.stdout
    assert "ms a query" in done.stdout
    assert "[2] + testing: does not judge captions by photo" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert len((tmp_path / "q.jsonl").read_text().splitlines()) == 2 * 9
    done = mmsearch("eval", *data, *MODEL, "--misses", "m.png", "--json")
    assert json.loads(done.stdout)["reranked"] == []
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    assert "Wrote m.png." in done.stderr


def test_eval_keeps_what_was_measured_before_a_failure(
    mmsearch, photos: Path, tmp_path: Path
) -> None:
    data = ("--images", photos, "--captions", captions_of(photos, tmp_path))
    models = (*MODEL, "--model", "embedded:nowhere")
    done = mmsearch("eval", *data, *models, "--json", "--per-query", "q.jsonl", code=1)
    assert json.loads(done.stdout)["encoder"] == "testing@1"
    assert len((tmp_path / "q.jsonl").read_text().splitlines()) == 6
    assert "nowhere holds no weights" in done.stderr


def test_ctrl_c_shows_the_encoders_that_were_measured(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmsearch.encoders import registry

    encoders = iter([registry.load("testing")])

    def load(*_, **__):
        for encoder in encoders:
            return encoder
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "load", load)
    data = ("--images", str(photos), "--captions", str(captions_of(photos, tmp_path)))
    result = CliRunner().invoke(app, ["eval", *data, *MODEL, *MODEL, "--json"])
    assert result.exit_code == 130
    assert json.loads(result.stdout)["encoder"] == "testing@1"
    assert "interrupted" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk is full here")
def test_eval_shows_what_it_cannot_write(mmsearch, photos: Path, tmp_path: Path) -> None:
    data = ("--images", photos, "--captions", captions_of(photos, tmp_path))
    done = mmsearch("eval", *data, *MODEL, "--json", "--per-query", "/dev/full", code=1)
    assert json.loads(done.stdout)["encoder"] == "testing@1"
    assert "/dev/full cannot be written: No space left" in done.stderr
    assert Path("/dev/full").is_char_device()


def test_eval_reads_no_larger_photos_than_is_set(
    mmsearch, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ("--images", photos, "--captions", captions_of(photos, tmp_path))
    monkeypatch.setenv("MMSEARCH_MAX_MEGAPIXELS", "0.001")
    assert "megapixels" in mmsearch("eval", *data, *MODEL, code=1).stderr


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        ("ValueError('broken')", 1, "failed: ValueError: broken"),
        ("KeyboardInterrupt", 130, "inter"),
    ],
)
def test_a_reranker_that_fails_on_the_command_line(
    mmsearch, photos: Path, tmp_path: Path, raised: str, code: int, message: str
) -> None:
    indexed(photos)
    program = (
        "import sys\nfrom mmsearch.testing import TinyReranker\n"
        f"def fail(*_, **__): raise {raised}\n"
        "TinyReranker.scores = fail\nfrom mmsearch.cli import main\nmain(sys.argv[1:])"
    )

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *map(str, arguments), "--rerank", "testing"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    measured = run(
        "eval", "--images", photos, "--captions", captions_of(photos, tmp_path), *MODEL, "--json"
    )
    asked = run("query", "red", "--json")
    assert (measured.returncode, asked.returncode) == (code, 0 if code == 1 else code)
    for done in (measured, asked):
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    if code == 1:
        assert json.loads(measured.stdout)["reranked"] == []
        assert json.loads(asked.stdout)["hits"][0]["path"].endswith("red.png")


def test_eval_of_an_index(mmsearch, photos: Path, tmp_path: Path) -> None:
    captions = captions_of(photos, tmp_path)
    mmsearch("index", photos, "--index", "./mine", "--captions", captions, *MODEL)
    own = json.loads(mmsearch("eval", "--index", "./mine", "--json").stdout)
    given = json.loads(
        mmsearch("eval", "--index", "./mine", "--captions", captions, "--json").stdout
    )
    assert (own["gallery"], own["queries"]) == (4, 3)
    assert own == given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--images and --captions, or --index"),
        (["--images", "."], "--images and --captions, or --index"),
        (["--index", "x", "--images", "."], "not both"),
        (["--index", "x", "--model", "fast"], "own encoder"),
        (["--index", "x", "--split", "s.txt"], "--captions as well"),
        (
            ["--images", ".", "--captions", "c", "--misses", "m.png", *MODEL, *MODEL],
            "--model once",
        ),
    ],
)
def test_eval_options_that_contradict(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["eval", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_another_model_reencodes_only_when_asked_for(mmsearch, photos: Path) -> None:
    indexed(photos)
    environ_model = {"MMSEARCH_MODEL": "embedded"}
    os.environ.update(environ_model)
    try:
        mmsearch("index", photos)
    finally:
        del os.environ["MMSEARCH_MODEL"]
    assert json.loads(mmsearch("status", "--json").stdout)["encoder"] == "testing@1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "red"], "There is no index at"),
        (["index"], "There is no index at"),
        (["index", "nowhere"], "There is no file or folder at nowhere"),
        (["index", ".", "--model", "embeded"], "embedded"),
        (["index", ".", "--max-megapixels", "0"], "--max-megapixels must be a number above 0"),
        (["eval", "--images", ".", "--captions", "none.tsv", *MODEL], "none.tsv"),
        (["eval", "--index", "./none"], "There is no index at"),
        (["eval", "--index", "x", "--misses", "m.gif"], ".html, .png"),
        (["eval", "--index", "x", "--per-query", "no/q.jsonl"], "no folder no"),
    ],
)
def test_failures_are_one_clear_line(mmsearch, arguments: list[str], message: str) -> None:
    done = mmsearch(*arguments, code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("mmsearch: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["query"],
        ["nonsense"],
        ["query", "x", "-k", "0"],
        ["query", "x", "--type", "smell"],
        ["query", "x", "--json", "--paths"],
        ["duplicates", "--json", "--copies"],
    ],
)
def test_wrong_usage_is_exit_2(mmsearch, arguments: list[str]) -> None:
    assert "Usage:" in mmsearch(*arguments, code=2).stderr


def test_a_failure_cannot_steer_the_terminal(mmsearch) -> None:
    done = mmsearch("index", "a\x1b[31mb\nc" + "d" * 300, code=1)
    assert done.stderr.startswith("mmsearch: There is no file or folder at a\\x1b[31mb\\nc")
    assert len(done.stderr.splitlines()) == 1


def test_a_traceback_only_with_debug(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mmsearch", "query", "red", "--debug"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "IndexNotFoundError" in done.stderr


def test_an_interrupt_while_reencoding_says_how_to_go_on(
    index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(index), "reencode", interrupt)
    arguments = ["index", str(photos), "--index", str(index.path), "--model", "embedded"]

    done = CliRunner().invoke(app, arguments)

    assert done.exit_code == 130
    assert "run the same command to go on" in done.stderr


def test_an_emptied_exclusion_lets_all_in_again(mmsearch, photos: Path) -> None:
    assert "3 added" in mmsearch("index", photos, "--exclude", "deep", *MODEL).stdout
    assert "1 added" in mmsearch("index", photos, "--exclude", "").stdout


def test_files_of_other_kinds_are_named(mmsearch, photos: Path) -> None:
    for name in ("a.doc", "b.DOC", "notes"):
        (photos / name).touch()
    done = mmsearch("index", photos, *MODEL)
    assert "nothing in such files can be searched: 2 .doc, 1 without a suffix." in done.stderr


def test_an_empty_folder_says_so(mmsearch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = mmsearch("index", "empty", *MODEL)
    assert "Nothing to index found in empty." in done.stderr
    assert mmsearch("query", "red").stderr == "No hits.\n"


def test_a_closed_pipe_is_no_accident(mmsearch, photos: Path, tmp_path: Path) -> None:
    for number in range(200):
        make_photo(photos / f"{number}.png", (number, 0, 0), size=(4, 4))
    indexed(photos)
    done = subprocess.run(
        f"{sys.executable} -m mmsearch query red -k 200 --json | head -1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "{"
    assert done.stderr == ""


def test_version_and_completion(mmsearch) -> None:
    assert mmsearch("--version").stdout.startswith("mmsearch ")
    assert "--show-completion" in mmsearch("--help").stdout


def test_an_interrupted_query_says_so(photos: Path, tmp_path: Path, monkeypatch) -> None:
    import mmsearch

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    mmsearch.create(tmp_path / "index", model="testing").close()
    monkeypatch.setattr(mmsearch.library.Index, "search", interrupt)
    result = CliRunner().invoke(app, ["query", "red", "--index", str(tmp_path / "index")])

    assert result.exit_code == 130
    assert result.stderr == "\nmmsearch: interrupted.\n"


def test_texts_are_shown_on_one_line_as_people_write_them(mmsearch, photos: Path) -> None:
    (photos / "a.md").write_text("می\u200cخواهم\n")
    (photos / "diary.md").write_text("First line\nsecond\u00a0line \u202e\u001b[31m\n")
    indexed(photos)
    shown = mmsearch("query", "anything", "--all").stdout

    assert '"می\u200cخواهم"' in shown
    assert '"First line second line' in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown


def test_the_path_of_a_text_is_looked_for_as_words(mmsearch, photos: Path) -> None:
    (photos / "diary.md").write_text("A long walk")
    indexed(photos)

    assert "diary.md" in mmsearch("query", "photos/diary.md", "-k", "1").stdout


def test_a_question_that_cannot_be_read_is_named(mmsearch, photos: Path, tmp_path: Path) -> None:
    indexed(photos)
    (tmp_path / "empty.jpg").touch()
    done = mmsearch("query", "empty.jpg", code=1)
    assert done.stderr == "mmsearch: empty.jpg cannot be read: the file is empty.\n"
    make_photo(tmp_path / "large.png", "red", size=(200, 100))
    done = mmsearch("query", "large.png", "--max-megapixels", "0.01", code=1)
    assert "large.png cannot be read: it has 200 x 100 pixels" in done.stderr
    assert mmsearch("query", "large.png", "--max-megapixels", "1", "-k", "1").stdout


def test_a_folder_that_moved_is_told_of(mmsearch, photos: Path, tmp_path: Path) -> None:
    mmsearch("index", photos, *MODEL)
    photos.rename(tmp_path / "moved")
    done = mmsearch("index", "moved")
    assert "Not there now, and kept as it was indexed: photos. `mmsearch remove` " in done.stderr
    mmsearch("remove", "photos")
    assert "Not there now" not in mmsearch("index", "moved").stderr
    assert mmsearch("query", "red", "--paths").stdout == f"{tmp_path / 'moved' / 'red.png'}\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_what_may_not_be_read_can_be_removed(mmsearch, photos: Path) -> None:
    mmsearch("index", photos, *MODEL)
    (photos / "red.png").chmod(0)
    assert mmsearch("remove", photos / "red.png").stdout == "1 removed\n"


def test_words_without_quotation_marks_are_put_in_some() -> None:
    result = CliRunner().invoke(app, ["query", "a", "dog", "on", "a", "beach"])
    assert result.exit_code == 2
    assert 'put several words in quotation marks: "a dog on a beach"' in result.stderr


def test_the_list_of_commands_is_not_cut_off() -> None:
    listed = CliRunner().invoke(app, ["--help"], terminal_width=80).stdout.partition("Commands:")[2]
    assert "train" in listed
    assert "..." not in listed
