"""What stands in the way of, or explains, a result on this machine."""

import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from jaxdebug.checks.user_traceback import escape_lines
from jaxdebug.reports import render_json

SCHEMA = "jaxdebug.doctor/1"

DISTRIBUTIONS = ("jaxdebug", "jax", "jaxlib", "flax", "optax", "numpy")

# The first distributions of each extra in pyproject.toml; a test compares the two.
EXTRAS = {
    "testing": ("hypothesis", "pytest"),
    "examples": ("scikit-learn",),
    "plot": ("matplotlib",),
    "tb": ("tensorboardX",),
    "bench": ("torch", "scipy", "chex"),
}

FLAGS = (
    "jax_enable_x64",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_disable_jit",
    "jax_enable_checks",
    "jax_check_tracer_leaks",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_transfer_guard",
    "jax_platforms",
    "jax_compilation_cache_dir",
)

VARIABLE_PREFIXES = ("JAX_", "XLA_")


@dataclass(frozen=True)
class Environment:
    """What jaxdebug found on this machine.

    Args:
        python: the version and the implementation of Python.
        system: the operating system and the processor.
        versions: distribution to version; None if it is not installed.
        extras: name of an extra to the distributions it still lacks.
        devices: one line for each device JAX sees.
        flags: name of a JAX setting to its value.
        variables: the environment variables JAX and XLA read.
        jax: the version that the JAX in use says it is.
        tested: whether the rules for primitives were tested with that version.
        rules: primitive to why its rule does not work on this JAX; None if it does.
        problems: what could not be found out, and why.
    """

    python: str
    system: str
    versions: dict[str, str | None]
    extras: dict[str, tuple[str, ...]]
    devices: tuple[str, ...]
    flags: dict[str, str]
    variables: dict[str, str]
    jax: str | None
    tested: bool | None
    rules: dict[str, str | None]
    problems: tuple[str, ...]

    def text(self) -> str:
        """Return the findings as text, control characters escaped."""
        found = {
            name: found or "not installed" for name, found in self.versions.items()
        }
        extras = {
            name: f"missing {', '.join(missing)}" if missing else "installed"
            for name, missing in self.extras.items()
        }
        blocks = [
            _block("versions", {"python": self.python, "system": self.system, **found}),
            _block("extras", extras),
            _block("JAX in use", self._jax_in_use()),
            _block("rules", {n: why or "works" for n, why in self.rules.items()}),
            _block("devices", {str(i): line for i, line in enumerate(self.devices)}),
            _block("JAX settings", self.flags),
            _block("environment variables", self.variables),
        ]
        if self.problems:
            blocks.append(
                _block("problems", {str(i): p for i, p in enumerate(self.problems)})
            )
        return escape_lines("\n\n".join(blocks))

    def _jax_in_use(self) -> dict[str, str]:
        if self.jax is None:
            return {}
        return {"version": self.jax, "tested": "yes" if self.tested else "no"}

    def to_json(self) -> str:
        """Return the findings as JSON, with the version of their schema."""
        return render_json(vars(self), schema=SCHEMA)


def examine() -> Environment:
    """Look at the versions, extras, devices and settings of this machine.

    Returns:
        What was found. What could not be found out stands under ``problems``; this
        function does not raise for it.

    Cost:
        Imports JAX, starts its default backend and compiles a tiny program for each
        rule.
    """
    devices, flags, problems = _ask_jax()
    # Without a device no program can run, and the problem is already known.
    used, tested, rules, failures = _ask_rules() if devices else (None, None, {}, ())
    return Environment(
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions={name: _version(name) for name in DISTRIBUTIONS},
        extras={
            extra: tuple(name for name in names if _version(name) is None)
            for extra, names in EXTRAS.items()
        },
        devices=devices,
        flags=flags,
        variables={
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(VARIABLE_PREFIXES)
        },
        jax=used,
        tested=tested,
        rules=rules,
        problems=(*problems, *failures),
    )


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _ask_jax() -> tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]:
    # A broken installation raises almost anything, and is what the doctor is for, so
    # every exception is reported instead of raised.
    try:
        import jax
    except Exception as error:
        return (), {}, (f"importing jax with {sys.executable} raised {error!r}",)
    flags = {
        name: str(getattr(value, "value", value))
        for name in FLAGS
        if (value := getattr(jax.config, name, _ABSENT)) is not _ABSENT
    }
    try:
        devices = jax.devices()
    except Exception as error:
        return (), flags, (f"jax.devices() raised {error!r}",)
    lines = (f"{device.platform} {device.device_kind}" for device in devices)
    return tuple(lines), flags, ()


def _ask_rules() -> tuple[
    str | None, bool | None, dict[str, str | None], tuple[str, ...]
]:
    # On an unknown JAX the modules that know its internals may not even import.
    try:
        from jaxdebug.programs._jax.versions import is_tested, jax_version
        from jaxdebug.programs.self_test import check_rules

        return jax_version(), is_tested(), check_rules(), ()
    except Exception as error:
        problem = f"checking the rules for JAX's primitives raised {error!r}"
        return None, None, {}, (problem,)


_ABSENT = object()


def _block(title: str, rows: dict[str, str]) -> str:
    if not rows:
        return f"{title}\n  none"
    width = max(map(len, rows))
    lines = (f"  {name:<{width}}  {value}" for name, value in rows.items())
    return "\n".join([title, *lines])
