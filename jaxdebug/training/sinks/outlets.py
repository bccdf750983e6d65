"""Sinks as one: each is given every record, and one that fails is switched off."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from jaxdebug.training.arrays import from_raw
from jaxdebug.training.records import Event, Histogram, Record, Sample, Scalars
from jaxdebug.training.sinks.sink import Sink

Call = Callable[[Sink], None]


class Outlets:
    """The sinks that still work.

    Args:
        sinks: each with the methods of `Sink`.
        statistics: columns of samples that are handed on as scalars, named
            `kind/statistic/path`: all of them would be far too many for a chart.
    """

    def __init__(self, sinks: Sequence[Sink], statistics: Collection[str]) -> None:
        self.sinks = list(sinks)
        self.statistics = frozenset(statistics)

    def write(self, records: Iterable[Record]) -> list[str]:
        """Hand records to every sink; returns what is wrong with those that fail."""
        if not self.sinks:
            return []
        return self._each([call for record in records for call in self._calls(record)])

    def close(self) -> list[str]:
        """Close every sink; returns what is wrong with those that fail."""
        problems = self._each([lambda sink: sink.close()])
        self.sinks.clear()
        return problems

    def drop(self) -> None:
        """Let every sink go, as it is."""
        self.sinks.clear()

    def _each(self, calls: Sequence[Call]) -> list[str]:
        problems = []
        for sink in tuple(self.sinks):
            try:
                for call in calls:
                    call(sink)
            except (Exception, SystemExit) as error:
                self.sinks.remove(sink)
                kind = f"{type(error).__name__}: {error}"
                problems.append(
                    f"the sink {type(sink).__name__} is switched off: {kind}"
                )
                # It has failed already, and it may hold a file or a connection.
                with contextlib.suppress(Exception, SystemExit):
                    sink.close()
        return problems

    def _calls(self, record: Record) -> Iterator[Call]:
        step = record.step
        match record:
            case Scalars(_, values):
                yield lambda sink: sink.write_scalars(step, dict(values))
            case Sample():
                numbers = self._chosen(record)
                if numbers:
                    yield lambda sink: sink.write_scalars(step, dict(numbers))
            case Histogram(_, name, edges, counts):
                ends, heights = from_raw(*edges), from_raw(*counts)
                yield lambda sink: sink.write_histogram(step, name, ends, heights)
            case Event(_, _, kind, content):
                event = {"kind": kind, "content": content}
                yield lambda sink: sink.write_event(step, dict(event))

    def _chosen(self, sample: Sample) -> dict[str, float]:
        values = from_raw(*sample.values)
        return {
            f"{row.kind}/{column}/{row.path}": float(values[place, index])
            for index, column in enumerate(sample.layout.columns)
            if column in self.statistics
            for place, row in enumerate(sample.layout.rows)
        }
