"""The conditions every test runs under."""

import gc
import os
from collections.abc import Iterator

from tests.compilation import xla_flags

# Read when JAX starts its backend, so it must be set before any test uses one. A worker
# of pytest-xdist inherits the variable already set.
os.environ["XLA_FLAGS"] = xla_flags(os.environ.get("XLA_FLAGS", ""))

import hypothesis
import jax
import pytest

# Compiling inside an example makes the first one slow, whatever the machine.
hypothesis.settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "nightly", deadline=None, max_examples=2000, print_blob=True
)
hypothesis.settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """The tests of a file share fixtures and compiled programs: one worker has all."""
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadfile"


def pytest_collection_finish() -> None:
    """Look for garbage rarely: each time all that JAX keeps is gone through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


GUARDED = (
    "jax_enable_x64",
    "jax_debug_nans",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
)


@pytest.fixture(autouse=True)
def unchanged_jax_settings() -> Iterator[None]:
    """Fail a test that leaves a global JAX setting changed, and put it back."""
    before = {name: getattr(jax.config, name) for name in GUARDED}
    yield
    after = {name: getattr(jax.config, name) for name in GUARDED}
    changed = {name: after[name] for name in GUARDED if after[name] != before[name]}
    for name in changed:
        jax.config.update(name, before[name])
    if changed:
        pytest.fail(f"the test left JAX settings changed: {changed}")
