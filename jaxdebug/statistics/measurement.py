"""What is measured where, and the program that does it in one run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxdebug.programs._jax.calls import varying_axes
from jaxdebug.programs._jax.sharding import replicated
from jaxdebug.programs.equation import Address, Equation, Level
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.program import Program, Transformed, transform
from jaxdebug.programs.tool import Accumulator, Outcome, Proceed, Records, Tool, Value
from jaxdebug.statistics import moments
from jaxdebug.statistics.leaf_sites import LeafSites, Update
from jaxdebug.statistics.moments import Moments
from jaxdebug.statistics.one_pass import in_turn, one_pass
from jaxdebug.statistics.statistic import Measured, Statistic

ROWS = 128
"""Scans up to this length keep one row for each iteration."""


class Wanted(NamedTuple):
    """What to measure of a program."""

    layers: dict[Site, Place]
    """Arrays inside it whose core statistics are taken."""
    leaves: LeafSites
    spread: bool = False
    """Whether zeros are counted and smallest magnitudes kept."""
    more: tuple[Statistic, ...] = ()
    """Statistics of each site of their kinds."""
    own: tuple[tuple[Site, Place, Statistic], ...] = ()
    """Sites with a statistic of their own, such as activation functions."""


@dataclass(frozen=True)
class Extra:
    """Name of a record that one statistic made of one array."""

    where: Place | int | Update
    statistic: Statistic


LOST = Statistic(
    "lost",
    measure=lambda lost: jnp.sum(lost, dtype=jnp.int32),
    finalize=lambda count: {"lost": count},
    kinds=("update",),
)
"""Elements whose value is the old one although something was added to it."""


class Measurement(NamedTuple):
    """The program that measures, and whose numbers its records are."""

    transformed: Transformed
    groups: tuple[tuple[tuple[Site, ...], ...], ...]
    extras: tuple[tuple[Site, ...], ...]

    def run(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Results, core statistics by group, and the other records."""
        results, records = self.transformed(leaves)
        core = [r for r in records.values() if isinstance(r, Moments)]
        rest = [r for r in records.values() if isinstance(r, Measured)]
        return results, core, rest


def measurement(program: Program, wanted: Wanted) -> Measurement:
    """The program under a tool that measures.

    An array that is several sites (the last layer's output and its parent's) is
    measured once.
    """
    sites: dict[Hashable, list[Site]] = defaultdict(list)
    core: dict[Address, set[Place]] = defaultdict(set)
    extra: dict[Address, dict[Extra, None]] = defaultdict(dict)
    added: dict[Address, dict[Extra, None]] = defaultdict(dict)
    ends: dict[Update, None] = {}
    starts: dict[int, None] = {}

    def add(site: Site, where: Any, statistics: Sequence[Statistic]) -> None:
        for statistic in statistics:
            name = Extra(where, statistic)
            sites[name].append(site)
            if isinstance(where, Place):
                extra[where.address][name] = None

    places = {**wanted.layers, **wanted.leaves.gradients}
    for site, place in places.items():
        sites[place].append(site)
        core[place.address].add(place)
    for site, index in wanted.leaves.inputs.items():
        sites[index].append(site)
        starts[index] = None
    for site, update in wanted.leaves.updates.items():
        sites[update].append(site)
        ends[update] = None
        if update.added is not None:
            name = Extra(update.added, LOST)
            sites[name].append(site)
            added[update.added.address][name] = None
    for site, where in {
        **places,
        **wanted.leaves.inputs,
        **wanted.leaves.updates,
    }.items():
        add(site, where, [s for s in wanted.more if site.kind in s.kinds])
    for site, place, statistic in wanted.own:
        add(site, place, [statistic])
    inside = {
        address[:end]
        for address in (*core, *extra, *added)
        for end in range(1, len(address), 2)
    }

    def visit(
        equation: Equation,
        operands: list[Value],
        proceed: Proceed,
    ) -> Outcome:
        results, records = proceed(equation, operands)

        made: Records = {
            place: one_pass(place.of(operands, results), spread=wanted.spread)
            for place in sorted(core.get(equation.address, ()))
        }
        for name in extra.get(equation.address, ()):
            assert isinstance(name.where, Place)
            made[name] = _measured(name, name.where.of(operands, results))
        for name in added.get(equation.address, ()):
            assert isinstance(name.where, Place)
            dtype = sites[name][0].dtype
            made[name] = _measured(name, _lost(operands, results, name.where, dtype))
        return results, {**records, **made}

    def start(leaves: Sequence[Any]) -> Records:
        arrays = {index: leaves[index] for index in starts}
        return _measured_together(arrays, wanted, sites)

    def end(leaves: Sequence[Any], results: Sequence[Any]) -> Records:
        arrays = {
            update: _difference(results[update.output], leaves[update.input])
            for update in ends
        }
        return _measured_together(arrays, wanted, sites)

    tool = Tool(
        visit,
        accumulate=Accumulator(_empty, _combine, lambda length: length <= ROWS),
        enters=lambda equation: equation.address in inside,
        leave=_leave,
    )
    transformed = transform(program, tool, start=start, end=end)
    groups = tuple(
        tuple(tuple(sites[name]) for name in names)
        for names in transformed.names
        if isinstance(names, Group)
    )
    extras = tuple(
        tuple(sites[name]) for name in transformed.names if isinstance(name, Extra)
    )
    return Measurement(transformed, groups, extras)


class Group(tuple[Hashable, ...]):
    """Name of a record of core statistics: those of its arrays, in its order."""

    __slots__ = ()


def _leave(level: Level, records: Records) -> Records:
    """One record for all sites of a level: few arrays leave each body."""
    rest: Records = {}
    # What is the same on several shards must stay so, to be counted once.
    own: dict[frozenset[str], Records] = defaultdict(dict)
    for name, record in records.items():
        if isinstance(name, Place):
            own[_varying(record)][name] = record
        else:
            rest[name] = record
    for group in own.values():
        rest[Group(group)] = moments.gather(list(group.values()))
    return rest


def _measured_together(
    arrays: dict[Any, Any],
    wanted: Wanted,
    sites: dict[Hashable, list[Site]],
) -> Records:
    if not arrays:
        return {}
    passes = in_turn(arrays.values(), spread=wanted.spread)
    records: Records = {Group(arrays): moments.gather(passes)}
    for statistic in wanted.more:
        asked = {Extra(where, statistic): array for where, array in arrays.items()}
        asked = {name: array for name, array in asked.items() if name in sites}
        each = statistic.measure_each
        if each is None or not asked:
            records |= {name: _measured(name, array) for name, array in asked.items()}
            continue
        found = zip(asked, replicated(each)(*asked.values()), strict=True)
        records |= {name: Measured(record, statistic) for name, record in found}
    return records


def _measured(name: Extra, array: Any) -> Measured:
    return Measured(replicated(name.statistic.measure)(array), name.statistic)


def _lost(
    operands: Sequence[Any], results: Sequence[Any], place: Place, dtype: str
) -> Any:
    """Where p + Δ, in the dtype that p is kept in, is p although Δ is not 0."""
    old, new = operands[1 - place.index].astype(dtype), _rounded(results[0], dtype)
    return (new == old) & (operands[place.index] != 0)


def _difference(new: Any, old: Any) -> Any:
    """New minus old, in float32 at least: a bfloat16 difference would be rounded."""
    wide = jnp.promote_types(new.dtype, jnp.float32)
    return _rounded(new, new.dtype).astype(wide) - old.astype(wide)


def _rounded(array: Any, dtype: Any) -> Any:
    """The array in a dtype, rounded to it: XLA would leave out a conversion to a
    narrow float that is followed by one to a wider."""
    array = array.astype(dtype)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return array
    info = jnp.finfo(array.dtype)
    return lax.reduce_precision(array, info.nexp, info.nmant)


def _empty(struct: Any) -> Any:
    if isinstance(struct, Measured):
        return Measured(struct.statistic.empty(struct.record), struct.statistic)
    return moments.empty(struct)


def _combine(total: Any, record: Any, index: Any) -> Any:
    if isinstance(total, Measured):
        combined = total.statistic.combine(total.record, record.record)
        return Measured(combined, total.statistic)
    return moments.combine(total, record)


def _varying(record: Any) -> frozenset[str]:
    leaves = jax.tree.leaves(record)
    return frozenset().union(*(varying_axes(jax.typeof(leaf)) for leaf in leaves))
