"""Learning-rate range test, sweeps and ablations of a workload, side by side."""

from jaxdebug.tuning.ablate import ablate
from jaxdebug.tuning.ablation_report import Ablation, AblationReport
from jaxdebug.tuning.range_test import RangeReport, range_test
from jaxdebug.tuning.sweep import SweepReport, sweep

__all__ = [
    "Ablation",
    "AblationReport",
    "RangeReport",
    "SweepReport",
    "ablate",
    "range_test",
    "sweep",
]
