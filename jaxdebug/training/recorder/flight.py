"""What happens around each call of a watched step."""

from __future__ import annotations

import json
import math
import traceback
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from jaxdebug.checks.nonfinite.locate_nonfinite import locate_nonfinite
from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.arrival import has_arrived
from jaxdebug.training.errors import BundleError
from jaxdebug.training.recorder.arguments import (
    Call,
    Flat,
    Links,
    find_links,
    flattening,
)
from jaxdebug.training.recorder.history import History
from jaxdebug.training.recorder.incident import Incident
from jaxdebug.training.recorder.kept import Keeping
from jaxdebug.training.recorder.observer import Observer, Watching
from jaxdebug.training.recorder.replay import replay
from jaxdebug.training.recorder.signals import Signals
from jaxdebug.training.recorder.snapshots import Snapshot, finite, take

TRACED = (
    "expected a watched step to be called with arrays; found tracers. Watch the "
    "outermost function, which is called once for each step, not one that is called "
    "inside jit, grad or scan."
)
REPLACED = "the state was not the one that the step before returned"


class NoCallError(TypeError):
    """A watched step was called inside a trace; the message is complete."""


class Flight:
    """Watches the calls of one step function, one after another.

    Attributes:
        step: the number of the next call.
        incidents: values that were not finite.
        is_off: whether watching failed, and was given up.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        every: int,
        observer: Observer,
        most: int,
        history: History,
        tell: Callable[[Incident], None],
        bundle: Callable[[Incident, Flat], Any] | None = None,
    ) -> None:
        self.function, self.every, self.history = function, every, history
        self.observer, self.tell, self.bundle = observer, tell, bundle
        self.step = 0
        self.incidents: list[Incident] = []
        self.is_off = False
        self._again = False
        self._untold: list[Incident] = []
        self._flattening = flattening(function)
        self._links: Links | None = None
        self._before: tuple[Any, Call] | None = None
        self._now: Call = ((), {})
        self._signals = Signals()
        self._recorded: dict[int, dict[str, float]] = {}
        self._watching = deque[Watching]()
        self._snapshots: list[Snapshot] = []
        self._keeping = Keeping(self._flattening, most)
        self._finite_before = 0
        self._benign = set[str]()

    def before(self, now: Call) -> None:
        """Before a call: look at what has arrived, then observe or keep."""
        if self._guarded(self._arrive, False) and self._guarded(self._look, now):
            self._now = now
        self._tell()

    def after(self, out: Any) -> None:
        """After a call: send its scalars to the host."""
        self._guarded(self._signals.start, self.step, out)
        self._guarded(self.observer.ran)
        self._before = out, self._now
        self.step += 1

    def poll(self) -> None:
        """Look at all that is on its way to the host; waits for it."""
        self._guarded(self._arrive, True)
        self._tell()

    def _guarded(self, action: Callable[..., None], *args: Any) -> bool:
        """Run a part of the watching: what fails in it must not end a training."""
        if self.is_off:
            return False
        try:
            action(*args)
        except NoCallError:
            raise
        except Exception as error:
            self.is_off = True
            self._snapshots = []
            self._keeping.forget(self.step + 1)
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            record = {"message": said, "traceback": traceback.format_exc()}
            self.history.event(self.step, "watching-off", record)
            warnings.warn(
                f"watch: nothing is watched from step {self.step} on: {said}. The "
                "training goes on; please report this with the traceback, which is "
                "among the events.",
                RuntimeWarning,
                stacklevel=4,
            )
        return not self.is_off

    def _tell(self) -> None:
        untold, self._untold = self._untold, []
        for incident in untold:
            self.tell(incident)

    def _look(self, now: Call) -> None:
        goes_on = self._goes_on(now)
        if self.step % self.every == 0 or not goes_on or self._again:
            self._sample(now)
        elif self._links is not None:
            self._keeping.keep(self.step, self._links, now)

    def _goes_on(self, now: Call) -> bool:
        """Whether a call gets the state that the one before left."""
        # Not held on to while the step runs: it keeps the last state alive.
        before, self._before = self._before, None
        if before is None:
            return False
        if self._links is None:
            self._links = find_links(self._flattening, *before, now)
            return True
        if self._links.hold(*before, now):
            return True
        self.history.event(self.step, "state-replaced", {"message": REPLACED})
        self._links, self._snapshots = None, []
        self._keeping.forget(self.step)
        return False

    def _sample(self, now: Call) -> None:
        flat = self._flattening.of(*now)
        if any(map(ir.is_traced, flat.leaves)):
            raise NoCallError(TRACED)
        self._snapshots.append(take(self.step, flat))
        given = None
        if self._links is not None:
            sources = enumerate(self._links.sources)
            given = [i for i, source in sources if source is None]
        watching = self.observer.observe(self.step, flat, given)
        # Once it is known what a batch is, part of one may be observed.
        self._again = watching is None and given is None
        if watching is not None:
            self._watching.append(watching)

    def _arrive(self, wait: bool) -> None:
        trouble: tuple[int, tuple[str, ...]] | None = None
        for step, numbers in self._signals.arrived(wait=wait):
            self._recorded[step] = numbers
            self.history.scalars(step, numbers)
            signs = tuple(n for n, x in numbers.items() if not math.isfinite(x))
            signs = tuple(name for name in signs if name not in self._benign)
            if signs and trouble is None:
                trouble = step, signs
            elif not signs and trouble is None:
                self._finite_before = step + 1
        while self._watching and (wait or has_arrived(self._watching[0].packed)):
            step, packed, observation = self._watching.popleft()
            reading = observation.read(np.asarray(packed))
            self.history.sample(step, reading)
            spoilt = reading.spoilt()
            if spoilt and trouble is None:
                trouble = step - 1, spoilt
            elif not spoilt:
                self._forget(step)
        if trouble is not None and not self.incidents:
            self._investigate(*trouble)

    def _forget(self, step: int) -> None:
        """Drop what came before a snapshot that is known to be good."""
        if self._finite_before < step and self._signals.found:
            return
        self._snapshots = [s for s in self._snapshots if s.step >= step]
        self._keeping.forget(step)
        for old in [each for each in self._recorded if each < step]:
            del self._recorded[old]

    def _investigate(self, seen: int, signs: tuple[str, ...]) -> None:
        incident, flat = self._incident(seen, signs)
        if incident.report is not None and incident.report.ok:
            self._benign.update(signs)  # infinite as it was meant
            return
        if flat is not None:
            incident = replace(incident, bundle=self._bundled(incident, flat))
        self.incidents.append(incident)
        self._untold.append(incident)
        self.history.finding(seen, incident.finding)
        if incident.report is not None:
            report = json.loads(incident.report.to_json())
            self.history.event(seen, "nonfinite", report)

    def _incident(
        self, seen: int, signs: tuple[str, ...]
    ) -> tuple[Incident, Flat | None]:
        """Run the steps since the last good snapshot again; and what the step got."""
        good = [s for s in self._snapshots if s.step <= seen]
        # The first may hold an infinity as it was meant.
        while len(good) > 1 and not all(self._is_good(good[-1])):
            good.pop()
        if not good:
            lost = self._keeping.lost
            why = lost[1] if lost else "there is no snapshot from before"
            return Incident(seen, signs, unlike=why), None
        try:
            replayed = replay(
                self.function,
                self._flattening,
                self._links,
                good[-1],
                self._keeping,
                seen,
                self._recorded,
            )
        except LookupError as error:
            return Incident(seen, signs, unlike=str(error)), None
        report, untraced = None, ""
        args, kwargs = replayed.flat.call(replayed.flat.leaves)
        try:
            report = locate_nonfinite(self.function)(*args, **kwargs)
        except Exception as error:  # whatever the user's Python raises in a trace
            said = f"it cannot be traced: {type(error).__name__}: {error}"
            untraced = said.partition("\n")[0]
        made = replayed.step, replayed.started, not replayed.unlike, replayed.unlike
        return Incident(seen, signs, *made, report, untraced), replayed.flat

    def _bundled(self, incident: Incident, flat: Flat) -> str:
        """Keep what the step got on the disk, if that is wanted and can be done."""
        if self.bundle is None:
            return ""
        try:
            return str(self.bundle(incident, flat))
        except (OSError, BundleError, ValueError) as error:
            self.history.event(incident.seen, "no-bundle", {"message": str(error)})
            return ""

    def _is_good(self, snapshot: Snapshot) -> list[bool]:
        leaves = snapshot.flat.leaves
        if self._links is not None:
            pairs = zip(leaves, self._links.sources, strict=True)
            leaves = [leaf for leaf, source in pairs if source is not None]
        return finite(leaves)
