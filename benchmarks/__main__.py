"""Run benchmarks by name: `python -m benchmarks [NAME ...]`; all of them by default."""

import argparse
from collections.abc import Callable

from benchmarks import (
    acceptance,
    audit_cost,
    certificate,
    checkup_faults,
    data_checks,
    findings,
    gradient_checkers,
    gradient_seeds,
    layer_checks,
    layer_mutants,
    lines,
    lint_programs,
    locate_nonfinite,
    moments,
    over_examples,
    plugin_startup,
    precision_seeds,
    probe_overhead,
    random_programs,
    side_by_side,
    train_steps,
    watch_beside,
    watch_overhead,
)
from benchmarks.result import Row, print_table, write_json

BENCHMARKS: dict[str, Callable[..., list[Row]]] = {
    "probe_overhead": probe_overhead.measure,
    "moments": moments.measure,
    "audit_cost": audit_cost.measure,
    "acceptance": acceptance.measure,
    "findings": findings.measure,
    "certificate": certificate.measure,
    "over_examples": over_examples.measure,
    "gradient_checkers": gradient_checkers.measure,
    "gradient_seeds": gradient_seeds.measure,
    "precision_seeds": precision_seeds.measure,
    "random_programs": random_programs.measure,
    "locate_nonfinite": locate_nonfinite.measure,
    "watch_overhead": watch_overhead.measure,
    "watch_beside": watch_beside.measure,
    "train_steps": train_steps.measure,
    "layer_checks": layer_checks.measure,
    "layer_mutants": layer_mutants.measure,
    "checkup_faults": checkup_faults.measure,
    "plugin_startup": plugin_startup.measure,
    "data_checks": data_checks.measure,
    "lines": lines.measure,
    "lint_programs": lint_programs.measure,
    "side_by_side": side_by_side.measure,
}
SEEDED = ("gradient_seeds", "precision_seeds", "layer_mutants", "checkup_faults")
"""Those that take a number of seeds."""


def main() -> int:
    """Run what is asked for; return 1 if a bar was not held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--seeds", type=int, help=f"how many: {', '.join(SEEDED)}")
    parser.add_argument("--count", type=int, help="of random_programs: how many")
    parser.add_argument("--seed", type=int, help="of random_programs")
    parser.add_argument(
        "--resume",
        metavar="PATH",
        help="of random_programs and checkup_faults: what was run so far",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="PATTERN",
        help="of checkup_faults: names of trainings and programs; may be given again",
    )
    given = parser.parse_args()
    names = given.names or list(BENCHMARKS)
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(
            f"no benchmark {', '.join(unknown)}; known: {', '.join(BENCHMARKS)}"
        )
    results = {}
    for name in names:
        options = {"seeds": given.seeds} if given.seeds and name in SEEDED else {}
        if name == "random_programs":
            asked = {"count": given.count, "seed": given.seed, "journal": given.resume}
            options = {key: one for key, one in asked.items() if one is not None}
        if name == "checkup_faults":
            options |= {"only": given.only or (), "journal": given.resume}
        results[name] = BENCHMARKS[name](**options)
        print_table(name, results[name])
    print(f"written: {write_json(results)}")
    return int(any(row.held is False for rows in results.values() for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
