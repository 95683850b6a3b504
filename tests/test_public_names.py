"""What ``import mmsearch`` promises, and what it must not cost."""

from __future__ import annotations

import inspect
import subprocess
import sys

import mmsearch
from mmsearch import errors


def test_the_public_names_are_these_and_all_exist() -> None:
    assert sorted(mmsearch.__all__) == [
        "Duplicates",
        "Hit",
        "Hits",
        "Index",
        "IndexReport",
        "Match",
        "Modality",
        "Status",
        "TrainingReport",
        "create",
        "errors",
        "literal",
        "open",
        "train",
    ]
    for name in mmsearch.__all__:
        assert getattr(mmsearch, name) is not None
    assert dir(mmsearch) == sorted(mmsearch.__all__)


def test_every_error_is_in_the_drawing() -> None:
    for name, value in vars(errors).items():
        if inspect.isclass(value):
            assert issubclass(value, errors.MmsearchError)
            assert name in (errors.__doc__ or "")


def test_importing_mmsearch_imports_nothing_heavy() -> None:
    heavy = ("numpy", "torch", "faiss", "sqlalchemy", "PIL", "onnxruntime", "open_clip")
    code = f"import sys, mmsearch; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
