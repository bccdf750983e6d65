"""`watch`: the flight recorder of a train step."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any, Literal

import jax

from jaxdebug.checks.declarations import frozen_patterns, require_declarations
from jaxdebug.programs.program import require_function
from jaxdebug.statistics.histogram import THINNED
from jaxdebug.statistics.probe import require_statistics
from jaxdebug.statistics.statistic import Statistic
from jaxdebug.training.crash import bundle_incident
from jaxdebug.training.paths import require_path
from jaxdebug.training.recorder.flight import Flight
from jaxdebug.training.recorder.history import History
from jaxdebug.training.recorder.incident import Incident, NonFiniteError
from jaxdebug.training.recorder.interrupts import chained, require_signals
from jaxdebug.training.recorder.report import WatchReport, watch_report
from jaxdebug.training.recorder.settings import (
    require_flag,
    require_number,
    require_sinks,
)
from jaxdebug.training.recorder.status import Status, to_stderr
from jaxdebug.training.sinks.sink import Sink
from jaxdebug.training.store.writer import open_run
from jaxdebug.training.trends.trends import Trends

PATIENCE = 5.0
"""Seconds that a signal waits for the disk."""

RECORDED = ("spread", "updates", "units", "state")
"""What a sample holds beyond the core."""

OnNonfinite = Literal["warn", "raise"] | Callable[[Incident], None]


class Watched:
    """A train step that is watched; it is called as the step itself."""

    def __init__(
        self,
        function: Callable[..., Any],
        flight: Flight,
        restore: Callable[[], None],
        status: Status | None = None,
    ) -> None:
        update_wrapper(self, function)
        self._function, self._flight, self._restore = function, flight, restore
        self._status = status

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the step, and look at what it is given and at what it returns."""
        self._flight.before((args, kwargs))
        if self._status is not None:
            self._status.look(self._flight)
        try:
            out = self._function(*args, **kwargs)
        except jax.errors.JaxRuntimeError as error:
            if not self._flight.gives_way(error):
                raise
            out = self._function(*args, **kwargs)
        self._flight.after(out)
        return out

    @property
    def history(self) -> History:
        """The last of what was recorded; waits for the device."""
        self._flight.poll()
        return self._flight.history

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Values that were not finite; waits for the device."""
        self._flight.poll()
        return tuple(self._flight.incidents)

    def report(self) -> WatchReport:
        """What was found so far; waits for the device."""
        history = self.history
        name = getattr(self._function, "__name__", "step")
        return watch_report(name, self._flight.step, history)

    def close(self) -> None:
        """Look at what is on its way, and end the run on the disk; twice is fine."""
        self._restore()
        self._flight.poll()
        if self._status is not None:
            self._status.look(self._flight)
        self._flight.history.close()

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def watch(
    step: Callable[..., Any],
    *,
    every: int = 50,
    run_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    statistics: str | Sequence[str | Statistic] = RECORDED,
    histograms: int = 5,
    on_nonfinite: OnNonfinite = "warn",
    bundle: bool = True,
    keep: int = 2**30,
    memory: int | None = None,
    sinks: Sequence[Sink] = (),
    progress: bool | Callable[[str], None] = False,
    handle_signals: Sequence[int] = (),
    declare: tuple[str, ...] = (),
) -> Watched:
    """The flight recorder of a train step: what it computes stays the same.

    The step runs as it is. On sampled steps a second program, compiled apart, runs
    before it, and returns statistics of every layer and nothing else. Scalars among
    the step's results are sent to the host at every step and are looked at later, so
    that nothing waits. Where one is not finite, the steps since the last snapshot are
    run again, and `locate_nonfinite` says which operation made it.

    Args:
        step: a function of any arguments: jitted or not, by `jax.jit`, `nnx.jit` or
            `equinox.filter_jit`, with donated arguments or with NNX objects that it
            changes.
        every: steps from one sample to the next; the first step is sampled.
        run_dir: the folder to record the run in; in memory alone if it is not given.
        resume: whether a run that is there may be taken up again.
        statistics: what to measure beyond the core, as in `probe`; by default all but
            the histogram.
        histograms: samples from one with histograms of parameters, gradients and
            updates to the next; 0 for none. Of large arrays 2**14 elements count.
        on_nonfinite: what to do with an `Incident`: `"warn"`, `"raise"` a
            `NonFiniteError`, or a function of it. A step that passes over what is not
            finite, as `optax.apply_if_finite` does, is never raised.
        bundle: whether what the step of an incident was given is written into
            `run_dir`, for `jd.replay`.
        keep: bytes of host memory that may be taken by what a replay needs: batches
            since the last snapshots, and on the CPU two copies of the arguments.
        memory: bytes that an observation may take; what is free on the device if it
            is not given. One that takes more is made of fewer examples, and in the
            end of the arguments alone; that is said.
        sinks: where to write as well, such as `jaxdebug.training.sinks.JsonLines`.
        progress: whether to print a line to standard error when a sample has arrived:
            the step, steps in a second, the last scalars, how many findings; or a
            function that takes the line, such as `logging.info` or `tqdm.write`.
        handle_signals: signals such as `signal.SIGTERM` at which the run is brought to
            the disk, before what else is done of them; until `close()`.
        declare: parameters that must not change: `("frozen:encoder/*",)`, as of a
            `Workload`.

    Returns:
        A function with the arguments and the results of `step`. `close()` it, or use
        it in a `with` statement, so that the last steps are looked at.

    Raises:
        ValueError: if an argument is not one of what it may be.
        TypeError: if `step` is no function, or an argument of another type; when
            called, if it is called inside a trace.
        RunError: if the folder is in use, or holds a run and `resume` is false.

    Cost:
        `step` is traced once more in Python, and a second program is compiled. On a
        sampled step that program, about one and a half times a step, and a copy of the
        arguments on the device; two such copies are held. On other steps some
        microseconds.

    Limits:
        What is not an argument, such as a model the step closes over, is part of
        the program. A state that something else than the step changes between two
        calls begins a new snapshot. Three incidents are looked into. Of a step that
        asks for the value of an array, as `float(loss)` does, layers are observed up to
        there, and that is said.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> @jax.jit
        ... def step(w, x):
        ...     loss, g = jax.value_and_grad(lambda w: jnp.log(w @ x))(w)
        ...     return w - 0.1 * g, loss
        >>> w, found = jnp.ones(2), []
        >>> with watch(step, every=2, on_nonfinite=found.append) as watched:
        ...     for x in ([1.0, 1.0], [1.0, 0.0], [-1.0, -1.0]):
        ...         w, loss = watched(w, jnp.array(x))
        >>> found[0].step, found[0].exact, found[0].report.failed.primitive
        (2, True, 'log')
    """
    require_function("watch", step)
    every = require_number("every", every, 1, "steps", "Write every=50.")
    if not callable(on_nonfinite) and on_nonfinite not in ("warn", "raise"):
        raise ValueError(
            "watch expects on_nonfinite to be 'warn', 'raise' or a function; found "
            f"{on_nonfinite!r}. Write on_nonfinite='warn'."
        )
    signals = require_signals(handle_signals)
    frozen = frozen_patterns(require_declarations("watch", declare))
    histograms = require_number(
        "histograms", histograms, 0, "samples", "Write histograms=5, or 0 for none."
    )
    keep = require_number("keep", keep, 0, "bytes", "Write keep=2**30 for 1 GiB.")
    if memory is not None:
        memory = require_number(
            "memory", memory, 0, "bytes", "Write memory=2**30 for 1 GiB, or leave it."
        )
    bundle, resume = require_flag("bundle", bundle), require_flag("resume", resume)
    if not callable(progress):
        progress = require_flag("progress", progress)
    sinks = require_sinks(sinks)
    if run_dir is not None:
        run_dir = require_path("watch", "run_dir", run_dir, "a folder")
    elif resume:
        raise ValueError(
            "watch expects run_dir with resume=True; found none. Give run_dir, the "
            "folder of the run that is to be taken up again, or leave resume."
        )
    asked = require_statistics("watch", statistics)
    if histograms and (run_dir is not None or sinks) and "histogram" not in asked:
        asked = (*asked, THINNED)

    def tell(incident: Incident) -> None:
        if callable(on_nonfinite):
            on_nonfinite(incident)
        elif on_nonfinite == "raise" and not incident.is_skipped:
            raise NonFiniteError(str(incident))
        else:
            warnings.warn(str(incident), RuntimeWarning, stacklevel=5)

    writer = open_run(
        run_dir,
        manifest={
            "step": getattr(step, "__name__", "step"),
            "every": every,
            "devices": [str(device) for device in jax.devices()],
        },
        resume=resume,
        process_index=jax.process_index(),
        sinks=sinks,
    )
    history = History(writer, Trends(step, frozen), histograms)
    bundled = None
    if bundle and run_dir is not None and jax.process_index() == 0:
        bundled = partial(bundle_incident, run_dir)
    flight = Flight(step, every, asked, memory, keep, history, tell, bundled)

    def bring_to_disk(number: signal.Signals) -> None:
        history.event(flight.step, "signal", {"message": number.name})
        writer.flush(PATIENCE)

    status = None
    if progress and jax.process_index() == 0:
        status = Status(progress if callable(progress) else to_stderr)
    return Watched(step, flight, chained(signals, bring_to_disk), status)
