"""What `/metrics` tells of worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from prometheus_client import Metric, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mmsearch.server.workers import Workers


class WorkerCollector(Collector):
    """How many workers run, and what each takes, by its process id; the latter on Linux alone."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        """What there is to tell now."""
        pids = self._workers.pids
        yield GaugeMetricFamily(
            "mmsearch_workers", "Worker processes that answer searches.", value=len(pids)
        )
        metrics: dict[str, Metric] = {}
        for pid in pids:
            process = ProcessCollector("mmsearch_worker", partial(int, pid), registry=None)
            for metric in process.collect():
                of_all = Metric(metric.name, metric.documentation, metric.type)
                for sample in metric.samples:
                    metrics.setdefault(metric.name, of_all).add_sample(
                        sample.name, {"pid": str(pid)}, sample.value
                    )
        yield from metrics.values()
