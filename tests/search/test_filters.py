"""Filters against a brute-force search in plain Python, over random catalogs."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch.catalog.records import FileState, NewItem, StoredEncoder
from mmsearch.errors import QuerySyntaxError
from mmsearch.index import IndexDirectory, Snapshot
from mmsearch.items import Hit, MediaInfo, Modality
from mmsearch.search.query import Query, read_query
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import Sought

DIM = 4


@dataclass(frozen=True)
class File:
    """An asset of a made-up index, and the modalities of its items."""

    path: str
    info: MediaInfo
    items: tuple[Modality, ...]


FILES = st.builds(
    File,
    path=st.sampled_from(["a/{}.jpg", "a/b/{}.JPG", "ab/{}.png", "{}", "a.b/{}.tar.gz", "ä b/{}."]),
    info=st.builds(
        MediaInfo,
        width=st.none() | st.sampled_from([1, 480, 640, 1920]),
        height=st.none() | st.sampled_from([1, 480, 640, 1080]),
        captured_at=st.none()
        | st.datetimes(datetime(2019, 12, 30), datetime(2023, 1, 3))
        | st.sampled_from([datetime(2020, 1, 1), datetime(2022, 12, 31, 23, 59, 59, 999999)]),
        latitude=st.none() | st.floats(-90, 90),
        longitude=st.none() | st.floats(-180, 180),
        camera=st.none() | st.sampled_from(["Canon EOS 40D", "NIKON D750", "İ"]),
        duration=st.none() | st.sampled_from([0.0, 59.6, 60.4, 3600.0]),
        language=st.none() | st.sampled_from(["en", "de"]),
    ),
    items=st.lists(st.sampled_from(list(Modality)), min_size=1, max_size=3).map(tuple),
)

Passes = Callable[[File, Modality], bool]


def _compared(key: str, read: Callable[[MediaInfo], float | None]) -> st.SearchStrategy:
    def told(test: Callable[[float], bool]) -> Passes:
        return lambda file, _: (value := read(file.info)) is not None and test(value)

    bound = st.sampled_from([1, 60, 480, 500, 1080, 3600])
    return bound.flatmap(
        lambda n: st.sampled_from(
            [
                (f"{key}:>{n}", told(lambda value: value > n)),
                (f"{key}:>={n}", told(lambda value: value >= n)),
                (f"{key}:<{n}", told(lambda value: value < n)),
                (f"{key}:..{n}", told(lambda value: value <= n)),
                (f"{key}:{n}..{n + 200}", told(lambda value: n <= value <= n + 200)),
            ]
        )
    )


def _ratio(info: MediaInfo) -> float | None:
    return info.width / info.height if info.width and info.height else None


def _dated(day: datetime) -> list[tuple[str, Passes]]:
    def told(test: Callable[[datetime], bool]) -> Passes:
        return lambda file, _: file.info.captured_at is not None and test(file.info.captured_at)

    year, month, date = f"{day:%Y}", f"{day:%Y-%m}", f"{day:%Y-%m-%d}"
    return [
        (f"before:{year}", told(lambda at: at.year < day.year)),
        (f"after:{month}", told(lambda at: (at.year, at.month) >= (day.year, day.month))),
        (f"on:{year}", told(lambda at: at.year == day.year)),
        (f"on:{month}", told(lambda at: (at.year, at.month) == (day.year, day.month))),
        (f"on:{date}", told(lambda at: at.date() == day.date())),
    ]


def _near(place: tuple[int, int, int]) -> tuple[str, Passes]:
    latitude, longitude, kilometres = place

    def passes(file: File, _: Modality) -> bool:
        info = file.info
        if info.latitude is None or info.longitude is None:
            return False
        # By the angle between two directions in space, unlike the formula of the filter.
        ends = [
            (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
            for lat, lon in (
                (math.radians(latitude), math.radians(longitude)),
                (math.radians(info.latitude), math.radians(info.longitude)),
            )
        ]
        cosine = sum(a * b for a, b in zip(*ends, strict=True))
        return 6371.0088 * math.acos(max(-1, min(1, cosine))) <= kilometres

    return f"near:{latitude},{longitude},{kilometres}", passes


def _folder(file: File) -> str:
    return file.path.rpartition("/")[0]


ONE_FILTER: st.SearchStrategy[tuple[str, Passes]] = st.one_of(
    st.sampled_from(list(Modality)).flatmap(
        lambda kind: st.sampled_from(
            [
                (f"type:{kind}", lambda _, one: one is kind),
                (f"type:{kind},image", lambda _, one: one in (kind, Modality.IMAGE)),
                (f"has:{kind}", lambda file, _: kind in file.items),
            ]
        )
    ),
    st.datetimes(datetime(2019, 12, 31), datetime(2023, 1, 2)).flatmap(
        lambda day: st.sampled_from(_dated(day))
    ),
    _compared("width", lambda info: info.width),
    _compared("height", lambda info: info.height),
    _compared("duration", lambda info: info.duration),
    st.sampled_from(
        [
            ("ratio:landscape", lambda file, _: (_ratio(file.info) or 0) > 1),
            ("ratio:portrait", lambda file, _: (_ratio(file.info) or 9) < 1),
            ("ratio:4:3", lambda file, _: abs((_ratio(file.info) or 9) / (4 / 3) - 1) <= 0.02),
            ("camera:canon", lambda file, _: "Canon" in (file.info.camera or "")),
            ('camera:"eos 40d"', lambda file, _: "Canon" in (file.info.camera or "")),
            ("lang:en,fr", lambda file, _: file.info.language == "en"),
            ("ext:jpg", lambda file, _: file.path.lower().endswith(".jpg")),
            ("ext:.GZ,png", lambda file, _: file.path.endswith((".gz", ".png"))),
            ("in:a", lambda file, _: _folder(file) in ("a", "a/b")),
            ("in:a/b/", lambda file, _: _folder(file) == "a/b"),
            ('in:"ä b"', lambda file, _: _folder(file) == "ä b"),
        ]
    ),
    st.tuples(
        st.integers(-90, 90), st.integers(-180, 180), st.sampled_from([0, 300, 7000, 30000])
    ).map(_near),
)


def _negated(one: tuple[str, Passes]) -> tuple[str, Passes]:
    text, passes = one
    return f"-{text}", lambda file, modality: not passes(file, modality)


SOME_FILTERS = st.lists(ONE_FILTER | ONE_FILTER.map(_negated), min_size=1, max_size=3)


@contextmanager
def indexed(files: list[File]) -> Iterator[Snapshot]:
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        encoder = StoredEncoder("made@1", "made", "made", "1", {}, DIM)
        with closing(IndexDirectory.create(Path(folder) / "index", encoder)) as index:
            with index.writing() as catalog, catalog.transaction() as change:
                source = change.add_source(Path(folder) / "photos")
                for number, file in enumerate(files):
                    vectors = random.standard_normal((len(file.items), DIM)).astype(np.float32)
                    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                    pairs = zip(file.items, vectors, strict=True)
                    items = [NewItem(kind, vector, "words") for kind, vector in pairs]
                    path = file.path.format(number)
                    change.put_asset(source.id, FileState(path, 1, 1), file.info, items)
            with index.snapshot() as snapshot:
                yield snapshot


def found(snapshot: Snapshot, text: str, k: int, **filters: object) -> list[Hit]:
    question = read_query(Query(text=text, **filters))  # type: ignore[arg-type]
    sought = Sought(()) if question.is_listing else Sought.text(np.eye(DIM, dtype=np.float32)[0])
    return retrieve(snapshot, question, sought, k, grouped=False)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(FILES, max_size=12), st.lists(SOME_FILTERS, min_size=5, max_size=15), st.data())
def test_what_passes_is_what_brute_force_finds(
    files: list[File], queries: list[list[tuple[str, Passes]]], data: st.DataObject
) -> None:
    with indexed(files) as snapshot:
        for filters in queries:
            expected = sorted(
                (number, kind)
                for number, file in enumerate(files)
                for kind in file.items
                if all(passes(file, kind) for _, passes in filters)
            )
            text = " ".join(text for text, _ in filters)
            try:
                hits = found(snapshot, text, 100)
            except QuerySyntaxError as error:  # a folder that this index does not have
                assert "in:" in text
                assert "Nothing is indexed under" in str(error)
                continue
            where = {file.path.format(number): number for number, file in enumerate(files)}
            root = next(iter(snapshot.reader.sources().values()))
            numbers = [where[hit.path.relative_to(root).as_posix()] for hit in hits]
            kinds = [hit.modality for hit in hits]
            assert sorted(zip(numbers, kinds, strict=True)) == expected
            # Filters act before the best are chosen, with a text and without.
            k = data.draw(st.integers(1, 5))
            for query in (text, f"{text} something"):
                best = found(snapshot, query, k)
                assert len(best) == min(k, len(expected))
                assert {hit.item for hit in best} <= {hit.item for hit in hits}


def test_a_listing_is_newest_first_and_certain() -> None:
    files = [
        File(f"{name}.jpg", MediaInfo(captured_at=taken), (Modality.IMAGE,))
        for name, taken in [
            ("old", datetime(2001, 1, 1)),
            ("undated", None),
            ("new", datetime(2020, 1, 1)),
            ("later", None),
        ]
    ]
    with indexed(files) as snapshot:
        hits = found(snapshot, "type:image", 10)
    assert [hit.path.stem for hit in hits] == ["new", "old", "later", "undated"]
    assert [hit.relevance for hit in hits] == [1.0] * 4
    assert {hit.similarity for hit in hits} == {None}


def test_typed_filters_add_to_those_in_the_text() -> None:
    files = [File("a/{}.jpg", MediaInfo(), (Modality.IMAGE, Modality.CAPTION))] * 2
    files += [File("b/{}.png", MediaInfo(), (Modality.IMAGE,))]
    with indexed(files) as snapshot:
        assert len(found(snapshot, "ext:jpg", 10, modality=Modality.IMAGE)) == 2
        assert len(found(snapshot, "-ext:jpg", 10, folder=Path("a"))) == 0
        assert len(found(snapshot, "type:caption", 10, folder=Path("a"))) == 2


def test_a_folder_that_is_not_indexed_is_pointed_at() -> None:
    with (
        indexed([File("a/{}.jpg", MediaInfo(), (Modality.IMAGE,))]) as snapshot,
        pytest.raises(QuerySyntaxError, match="indexed sources are") as raised,
    ):
        found(snapshot, "dog in:b", 1)
    assert (raised.value.position, raised.value.length) == (4, 4)
