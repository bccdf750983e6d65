"""Healthy trainings must be quiet and planted faults found, over 20 seeds."""

from benchmarks.result import Row
from tests.findings import audited
from tests.findings.controls import CONTROLS, warnings
from tests.findings.planted import PLANTED, detected, quiet

SEEDS = range(20)
SHARE = 0.95


def _control(name: str) -> Row:
    """Count the findings above info of one healthy training."""
    found = [str(f.code) for seed in SEEDS for f in warnings(name, seed)]
    note = f"{len(found)} warnings over {len(SEEDS)} seeds {sorted(set(found))}"
    return Row(what=f"healthy: {name}", held=not found, note=note)


def _fault(name: str) -> Row:
    """Count the seeds at which one fault is found, and its twin is not."""
    hits = sum(detected(name, seed) for seed in SEEDS)
    loud = sum(not quiet(name, seed) for seed in SEEDS)
    return Row(
        what=f"fault: {name}",
        held=hits >= SHARE * len(SEEDS) and not loud,
        note=f"found at {hits} of {len(SEEDS)} seeds, twin not quiet at {loud}",
    )


def _audited(name: str) -> list[Row]:
    """Count the seeds of a case that only an audit can judge, and of its twin."""
    rows = []
    if audited.CASES[name].code:
        hits = sum(audited.detected(name, seed) for seed in SEEDS)
        note = f"found at {hits} of {len(SEEDS)} seeds"
        rows.append(
            Row(what=f"audit: {name}", held=hits >= SHARE * len(SEEDS), note=note)
        )
    loud = [str(f.code) for seed in SEEDS for f in audited.warnings(name, seed)]
    note = f"{len(loud)} warnings over {len(SEEDS)} seeds {sorted(set(loud))}"
    rows.append(Row(what=f"audit: {name}, healthy", held=not loud, note=note))
    return rows


def measure() -> list[Row]:
    """Return one row a healthy training, one a planted fault, and those of audits."""
    audits = [row for name in audited.CASES for row in _audited(name)]
    return [*map(_control, CONTROLS), *map(_fault, PLANTED), *audits]
