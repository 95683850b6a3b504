"""Tables of reports that no small collection brings about."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmsearch.cli.evaluation_table import lines_of
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.ranking import Ranking, Relevance
from mmsearch.evaluation.report import Direction, EvaluationReport, Result, Stage


def report_of(positions: list[int], encoder: str = "testing@1") -> EvaluationReport:
    """One caption a photo, found at these ranks."""
    owners = np.arange(len(positions))
    nothing = np.empty((len(positions), 0))
    ranking = Ranking(
        Relevance.of_captions(owners),
        np.array(positions),
        nothing.astype(np.int64),
        nothing.astype(np.float32),
        np.zeros(len(positions), np.float32),
    )
    photos = tuple(Path(f"{number}.jpg") for number in owners)
    dataset = CaptionedPhotos(photos, ("x",) * len(photos), owners)
    return EvaluationReport(
        dataset, Stage(encoder, None, dict.fromkeys(Direction, Result(ranking)))
    )


def test_median_ranks_have_one_decimal_at_most() -> None:
    """Percentiles fall between two medians: the lower end is 2.9875 here."""
    (text_to_image, below) = list(lines_of([report_of([8, 2, 10, 3, 8, 5, 1, 11, 6, 2, 11, 10])]))[
        4:6
    ]
    assert text_to_image.split()[-1] == "7"
    assert below.split()[-1] == "3-10"


def test_the_names_of_encoders_do_not_steer_the_terminal() -> None:
    lines = list(lines_of([report_of([1, 2], encoder="\x1b[2Jmine@1")]))
    assert all(line.isprintable() for line in lines)
    assert "mine@1" in lines[1]
