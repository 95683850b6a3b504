"""FAISS on a GPU that fails gives way to the processor, with one notice."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest

from mmsearch.vectors import device


@pytest.fixture
def broken_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    class BrokenKmeans(faiss.Kmeans):
        def __init__(self, *args: object, gpu: bool = False, **kwargs: object) -> None:
            if gpu:
                fail()
            super().__init__(*args, **kwargs)

    device._notice.cache_clear()
    monkeypatch.setattr(device, "gpu_resources", object)
    monkeypatch.setattr(faiss, "knn_gpu", fail, raising=False)
    monkeypatch.setattr(faiss, "Kmeans", BrokenKmeans)


@pytest.mark.usefixtures("broken_gpu")
def test_a_gpu_that_fails_gives_way(caplog: pytest.LogCaptureFixture) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(100, 4)).astype(np.float32)
    with caplog.at_level(logging.WARNING, "mmsearch"):
        products, found = device.nearest(vectors[:5], vectors, 3)
        _, close = device.nearest(vectors[:5], vectors, 1, euclidean=True)
        centroids = device.centroids_of(vectors, 10)

    exact = vectors[:5] @ vectors.T
    np.testing.assert_array_equal(found, np.argsort(-exact, axis=1)[:, :3])
    np.testing.assert_allclose(products, -np.sort(-exact, axis=1)[:, :3], rtol=1e-5)
    assert close[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert centroids.shape == (10, 4)
    assert len(caplog.records) == 1
    assert "cannot use the GPU" in caplog.text


def test_one_thread_at_a_time_has_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = threading.Semaphore(1)
    together = threading.Event()

    def search(*_: object, **__: object) -> str:
        if not inside.acquire(blocking=False):
            together.set()
            return ""
        together.wait(0.2)  # for another thread, which must not come
        inside.release()
        return "found"

    monkeypatch.setattr(device, "gpu_resources", object)
    monkeypatch.setattr(faiss, "knn_gpu", search, raising=False)
    vectors = np.eye(2, dtype=np.float32)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: device.nearest(vectors, vectors, 1), range(2)))
    assert found == ["found", "found"]
    assert not together.is_set()


def test_where_there_is_no_gpu_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    if getattr(faiss, "get_num_gpus", lambda: 0)():
        pytest.skip("there is a GPU here")
    assert device.gpu_resources() is None
    assert not caplog.records
