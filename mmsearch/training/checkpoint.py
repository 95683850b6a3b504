"""Leaves a run's state on disk after each epoch, so that an interrupted run can go on."""

from __future__ import annotations

import hashlib
import logging
import pickle
from pathlib import Path
from typing import Any, Protocol

import torch

from mmsearch.training.material import Material

_log = logging.getLogger("mmsearch.training")


class Resumable(Protocol):
    """A run that can be left and taken up again."""

    def state(self) -> dict[str, Any]:
        """All that `resume` needs; tensors and plain values only."""

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` gave."""


class Checkpoint:
    """The state of one run on disk.

    Args:
        path: the file.
        settings: how is trained, in words; a run with others never goes on from this state.
        material: what is trained on, likewise.
    """

    def __init__(self, path: Path, settings: str, material: Material) -> None:
        self._path = path
        digest = hashlib.sha256(settings.encode())
        digest.update(repr([view.shape for view in material.views]).encode())
        digest.update(repr(material.captions).encode())
        digest.update(material.photo_of_caption.tobytes())
        for logits in material.logits:
            digest.update(logits.tobytes())
        self._run = digest.hexdigest()

    def load(self, training: Resumable) -> None:
        """Takes the run up where it was left; does nothing where none was, or it is damaged."""
        if not self._path.exists():
            return
        try:
            saved = torch.load(self._path, map_location="cpu", weights_only=True)
            run, state = saved["run"], saved["state"]
        except (OSError, EOFError, RuntimeError, LookupError, TypeError, pickle.PickleError):
            _log.warning("%s cannot be read: training begins anew.", self._path)
            return
        if run == self._run:
            training.resume(state)

    def save(self, training: Resumable) -> None:
        """Leaves the run as it is now; the file is replaced when the new one is whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        torch.save({"run": self._run, "state": training.state()}, partial)
        partial.replace(self._path)
