"""Runs read back: as arrays, as tables, one beside another."""

from jaxdebug.training.runs.compare import RunComparison as RunComparison
from jaxdebug.training.runs.compare import compare_runs as compare_runs
from jaxdebug.training.runs.load import load_run as load_run
from jaxdebug.training.runs.run import Run as Run
