"""Workloads, where they come from, and the checks that run on them."""

from jaxdebug.checks.target import TargetError, load_target
from jaxdebug.checks.workload import Workload, WorkloadError, first_batch

__all__ = ["TargetError", "Workload", "WorkloadError", "first_batch", "load_target"]
