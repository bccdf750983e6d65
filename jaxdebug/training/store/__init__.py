"""The store of a run: one SQLite file, written by a thread; knows no JAX."""

from jaxdebug.training.store.writer import RunWriter as RunWriter
from jaxdebug.training.store.writer import open_run as open_run
