"""What happens around each call of a watched step."""

from __future__ import annotations

import traceback
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax

from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.arrival import has_arrived, is_donated, received
from jaxdebug.programs._jax.memory import ran_out
from jaxdebug.reports.error_text import in_one_line
from jaxdebug.statistics.statistic import Statistic
from jaxdebug.training.errors import WATCHED_INSIDE, BundleError, NoCallError
from jaxdebug.training.recorder.arguments import (
    Call,
    Flat,
    Links,
    find_links,
    flattening,
)
from jaxdebug.training.recorder.history import History
from jaxdebug.training.recorder.incident import Incident
from jaxdebug.training.recorder.investigation import investigate
from jaxdebug.training.recorder.lookout import Lookout, Trouble
from jaxdebug.training.recorder.observer import Observer, Watching
from jaxdebug.training.recorder.outside import Outside
from jaxdebug.training.recorder.past import Past
from jaxdebug.training.recorder.replay import Known
from jaxdebug.training.recorder.signals import Signals
from jaxdebug.training.recorder.snapshots import finite

WAITING = 16
"""Samples that may be on their way to the host."""

DROPPED = f"samples are dropped while more than {WAITING} wait for the device"
OUTSIDE = (
    "the step keeps its state outside of its arguments ({}). Watch a function that is "
    "given its state and returns it, such as the jitted one inside"
)
REPLACED = "the state was not the one that the step before returned"


class Flight:
    """Watches the calls of one step function, one after another.

    Attributes:
        step: the number of the next call.
        incidents: values that were not finite.
        is_off: whether watching failed, and was given up.
        dropped: samples that were never looked at.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        every: int,
        statistics: Sequence[str | Statistic],
        memory: int | None,
        keep: int,
        history: History,
        tell: Callable[[Incident], None],
        bundle: Callable[[Incident, Flat], Any] | None = None,
    ) -> None:
        self.function, self.every, self.history = function, every, history
        self.tell, self.bundle = tell, bundle
        self.observer = Observer(function, statistics, memory, self._note)
        self.step = 0
        self.incidents: list[Incident] = []
        self.is_off = False
        self.dropped = 0
        self._again = False
        self._untold: list[Incident | str] = []
        self._flattening = flattening(function)
        self._links: Links | None = None
        self._before: tuple[Any, Call] | None = None
        self._outside: Outside | None = None
        self._now: Call = ((), {})
        self._signals = Signals()
        self._watching = deque[Watching]()
        self._past = Past(self._flattening, keep, self._note)
        self._lookout = Lookout()
        self._is_enough = self._is_next = False

    def before(self, now: Call) -> None:
        """Before a call: look at what has arrived, then observe or keep."""
        steps = (self._follow, now), (self._arrive, False), (self._look, now)
        if all(self._guarded(*each) for each in steps):
            self._now = now
        self._tell()

    def gives_way(self, error: Exception) -> bool:
        """Let go of all copies if a call failed for want of memory.

        Returns:
            Whether it may be called again: it is compiled, so that it changed nothing,
            and its arguments were not given away.
        """
        flat = jax.tree.leaves(self._now)
        again = hasattr(self.function, "lower") and not any(map(is_donated, flat))
        if not ran_out(error) or not self._past.snapshots:
            return False
        self._past.give_up("the step itself needs the memory of the copies")
        return again

    def after(self, out: Any) -> None:
        """After a call: send its scalars to the host."""
        self._guarded(self._signals.start, self.step, out)
        if self._outside is not None:
            self._guarded(self._refuse_outside, self._outside)
        self._guarded(self.observer.ran)
        self._guarded(self.history.called, self.step, self._now)
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
            self._past.clear()
            said = in_one_line(error)
            record = {"message": said, "traceback": traceback.format_exc()}
            self.history.event(self.step, "watching-off", record)
            self._untold.append(
                f"nothing is watched from step {self.step} on: {said}. The training "
                "goes on; please report this with the traceback, which is among the "
                "events."
            )
        return not self.is_off

    def _tell(self) -> None:
        untold, self._untold = self._untold, []
        for one in untold:
            if isinstance(one, Incident):
                self.tell(one)
            else:
                warnings.warn(f"watch: {one}", RuntimeWarning, stacklevel=4)

    def _note(self, message: str) -> None:
        """Say later, when nothing can fail by it, what is watched no more."""
        self.history.event(self.step, "fallback", {"message": message})
        self._untold.append(message)

    def _look(self, now: Call) -> None:
        if self.step % self.every == 0 or not self._is_next or self._again:
            with jax.transfer_guard("allow"):  # the user's is for the user's program
                self._sample(now)
        # A sampled step too, where the device is so far behind that none was copied.
        if self._links is not None and not self._past.begins_at(self.step):
            self._past.keep(self.step, self._links, now)
        if self.step < 2:  # the first call may only set up what the others change
            self._outside = Outside(self.function)

    def _refuse_outside(self, before: Outside) -> None:
        """Run nothing again of a step whose state is not among its arguments."""
        self._outside, names = None, before.changed()
        if not names:
            return
        why = OUTSIDE.format(", ".join(names[:3]) + (", ..." if names[3:] else ""))
        self._past.close(why)
        self.observer.arguments_alone(why)

    def _follow(self, now: Call) -> None:
        """Find out whether a call gets the state that the one before left."""
        # Not held on to while the step runs: it keeps the last state alive.
        before, self._before = self._before, None
        self._is_next = before is not None
        if before is None:
            return
        if self._links is None:
            self._links = find_links(self._flattening, *before, now)
        elif not self._links.hold(*before, now):
            self._begin_anew(now)

    def _begin_anew(self, now: Call) -> None:
        # What is on its way may need the copies that are let go now.
        self._arrive(True)
        self.history.event(self.step, "state-replaced", {"message": REPLACED})
        self._links, self._is_next = None, False
        self._past.clear()
        if self._lookout.is_spoilt:  # part of the state may have stayed as it was
            with jax.transfer_guard("allow"):
                given = finite(self._flattening.of(*now).leaves)
            self._lookout.is_spoilt = not all(given)

    def _sample(self, now: Call) -> None:
        flat = self._flattening.of(*now)
        if any(map(ir.is_traced, flat.leaves)):
            raise NoCallError(WATCHED_INSIDE)
        links = self._links
        given = links and [
            i for i, source in enumerate(links.sources) if source is None
        ]
        watching = self.observer.observe(self.step, flat, given)
        if not self._lookout.is_spoilt:  # what comes of it says nothing new
            self._past.snapshot(self.step, flat, self.observer.needs)
        # Once it is known what a batch is, part of one may be observed.
        self._again = watching is None and given is None
        if watching is not None:
            self._watching.append(watching)
            self._drop()

    def _drop(self) -> None:
        """Drop the oldest samples if the device is too far behind the host."""
        while len(self._watching) > WAITING:
            step = self._watching.popleft().step
            if not self.dropped:
                self._untold.append(f"{DROPPED}; the first is that of step {step}")
            self.dropped += 1
            self.history.event(step, "samples-dropped", {"message": DROPPED})

    @property
    def waiting(self) -> int:
        """Samples that are on their way to the host."""
        return len(self._watching)

    def _arrive(self, wait: bool) -> None:
        self._arrive_scalars(wait)
        while self._watching and (wait or has_arrived(self._watching[0].packed)):
            step, packed, observation = self._watching.popleft()
            reading = observation.read(*received([packed]))
            spoilt = reading.spoilt()
            if spoilt and not self._lookout.is_spoilt:
                # They know the step; told after it, they were trouble of their own.
                self._arrive_scalars(True)
            self._investigate(self._lookout.parameters(step, spoilt))
            self.history.sample(step, reading)  # what came of it, after its cause
            # Where scalars are missing, what went before is known by the parameters.
            known = self._lookout.finite_before >= step or not self._signals.found
            if known and not spoilt:
                self._past.forget(step)
        if self.observer.is_off and not self._watching:
            self._past.forget(self._lookout.finite_before)  # by the scalars alone

    def _arrive_scalars(self, wait: bool) -> None:
        for step, numbers in self._signals.arrived(wait=wait):
            if not self._lookout.is_spoilt:
                self._past.recorded[step] = numbers
            self.history.scalars(step, numbers)
            self._investigate(self._lookout.scalars(step, numbers))

    def _investigate(self, trouble: Trouble | None) -> None:
        lookout = self._lookout
        if trouble is None:
            return
        if lookout.is_enough(trouble):
            lookout.looked_into(trouble, lasts=False)
            if not self._is_enough:
                self._is_enough = True
                self.history.event(trouble.seen, "nonfinite-again", trouble._asdict())
            return
        with jax.transfer_guard("allow"):
            known = Known(lookout.known_before, frozenset(lookout.known))
            incident, flat = investigate(
                self.function,
                self._flattening,
                self._links,
                self._past,
                trouble,
                known,
                self.observer.trained,
            )
        if incident.report is not None and not incident.report.findings:
            lookout.is_meant(trouble)
            return
        lookout.met(trouble, lasts=incident.lasts, skipped=incident.is_skipped)
        if flat is not None:
            incident = replace(incident, bundle=self._bundled(incident, flat))
        self.incidents.append(incident)
        self._untold.append(incident)
        self.history.incident(incident)
        if lookout.is_spoilt:
            self._past.clear()

    def _bundled(self, incident: Incident, flat: Flat) -> str:
        """Keep what the step got on the disk, if that is wanted and can be done."""
        if self.bundle is None:
            return ""
        try:
            return str(self.bundle(incident, flat))
        except (OSError, BundleError, ValueError) as error:
            self.history.event(incident.seen, "no-bundle", {"message": str(error)})
            return ""
