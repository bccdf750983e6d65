"""How XLA compiles what the tests run."""

from importlib import metadata

DEVICES = "--xla_force_host_platform_device_count=8"
LEVEL = "--xla_backend_optimization_level"
# Compiling takes most of the time of a test, and what it makes runs once or twice.
QUICK = (
    f"{LEVEL}=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_parallel_codegen_split_count=1",
)


def xla_flags(given: str) -> str:
    """The flags given, eight devices, and quick compilation.

    Who gives a level of optimisation gets that, and all else as users have it:
    `XLA_FLAGS=--xla_backend_optimization_level=3 pytest`.
    """
    flags = [*given.split(), DEVICES]
    if LEVEL not in given:
        flags += QUICK
        # XLA ends the process at a flag that it does not know.
        if metadata.version("jaxlib").startswith("0.10."):
            flags.append("--xla_cpu_use_fusion_emitters=false")
    return " ".join(dict.fromkeys(flags))
