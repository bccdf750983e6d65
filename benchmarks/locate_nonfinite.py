"""What the search for a NaN costs, and what JAX's own tools name on the same programs.

Run time and compilation are those of a train step whose outputs are all finite: one run
and one check. What it takes where they are not is a row of its own.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import jax
from jax.experimental import checkify

import jaxdebug as jd
from benchmarks.models import MODELS, BenchModel
from benchmarks.result import Row
from benchmarks.timing import compare_runs, renewed
from tests.nonfinite.benign import BENIGN
from tests.nonfinite.case import Case
from tests.nonfinite.parallel import PARALLEL
from tests.nonfinite.test_corpus import CORPUS, mistakes

RUN_BAR, COMPILE_BAR = 2.0, 5.0
DEVICES = 8
_REPETITIONS = 3
REFUSED = "refused"


def measure() -> list[Row]:
    """Return the rows of each model, then those of the corpus.

    The corpus wants eight devices, as `--xla_force_host_platform_device_count=8` in
    `XLA_FLAGS` makes them; without, what needs them is left out.
    """
    rows = []
    for make in MODELS.values():
        rows += _cost(make())
    return [*rows, *_named()]


def _cost(model: BenchModel) -> list[Row]:
    args = (model.state, model.batch)
    step = model.train_step
    runs = compare_runs(
        {"plain": jax.jit(step), "located": jd.locate_nonfinite(step)}, args
    )
    base = _first_call(lambda: jax.jit(renewed(step)), args)
    cost = _first_call(lambda: jd.locate_nonfinite(renewed(step)), args)
    ratio = cost / base
    broken = (_broken(model.state), model.batch)
    found = _first_call(lambda: jd.locate_nonfinite(renewed(step)), broken, 1)
    locate = jd.locate_nonfinite(step)
    report = locate(*broken)
    again = _seconds(lambda: locate(*broken))
    assert report.failed is not None
    note = f"{report.failed.primitive} in {report.failed.layer}; again {again:.2f} s"
    return [
        Row.from_pair(f"{model.name}: run", runs, RUN_BAR),
        Row(f"{model.name}: first call", base, cost, ratio, None, COMPILE_BAR,
            ratio <= COMPILE_BAR),
        Row(f"{model.name}: first call that finds NaN", base, found, found / base,
            note=note),
    ]  # fmt: skip


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def _first_call(
    make: Callable[[], Callable[..., Any]], args: Any, repetitions: int = _REPETITIONS
) -> float:
    times = []
    for _ in range(repetitions + 1):
        fn = make()
        times.append(_seconds(lambda fn=fn: fn(*args)))
    return statistics.median(times[1:])


def _broken(state: Any) -> Any:
    """The state with parameters so large that what they make overflows."""
    params, optimizer = state
    return jax.tree.map(lambda leaf: leaf * 1e30, params), optimizer


def _named() -> list[Row]:
    """How often each tool names the line that failed."""
    few = jax.device_count() < DEVICES
    cases = [c for name, c in CORPUS.items() if not (few and name in PARALLEL)]
    own = [not mistakes(case) for case in cases]
    total = len(own)
    rows = [
        Row(
            "corpus: this, what failed and cause",
            held=all(own),
            note=f"{sum(own)} of {total}",
        )
    ]
    for name, tool in (("jax_debug_nans", _debug_nans), ("checkify", _checkify)):
        said = [tool(case.function, case.args()) for case in cases]
        alarms = [tool(one.function, one.args) for one in BENIGN.values()]
        pairs = zip(said, cases, strict=True)
        lines = sum(bool(_line(case)) and _line(case) in text for text, case in pairs)
        note = (
            f"raises on {_raised(said)} of {total}, at the line of what failed on "
            f"{lines}; on {_raised(alarms)} of {len(BENIGN)} that harm nobody"
        )
        rows.append(Row(f"corpus: {name}", note=note))
    return rows


def _raised(said: list[str]) -> int:
    return sum(bool(text) and not text.startswith(REFUSED) for text in said)


def _line(case: Case) -> str:
    """The place of what failed, as a traceback spells it."""
    place = case.lines.get("failed", "")
    file, _, line = place.rpartition(":")
    return f"{file}:{line}" if file else ""


def _debug_nans(function: Callable[..., Any], args: Any) -> str:
    """What is raised under jax_debug_nans."""
    with jax.debug_nans(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            jax.block_until_ready(function(*args))
        except Exception as error:
            return _innermost(error)
    return ""


def _innermost(error: BaseException) -> str:
    """The innermost place in the corpus that an exception comes from."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "tests/nonfinite" in code.co_filename.replace("\\", "/"):
            found = f"{code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found or type(error).__name__


def _checkify(function: Callable[..., Any], args: Any) -> str:
    """What checkify's float checks raise, or that it refuses the program."""
    checked = checkify.checkify(function, errors=checkify.float_checks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            error, _ = jax.jit(checked)(*args)
        except Exception as refusal:
            return f"{REFUSED}: {type(refusal).__name__}"
    try:
        error.throw()
    except Exception as raised:
        return _innermost(raised.__cause__ or raised)
    return ""
