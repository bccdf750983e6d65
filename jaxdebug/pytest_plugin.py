"""The pytest plugin: fixtures, a marker, and a summary of the reports that tests made.

It is imported by every run of pytest where the package is installed, so it imports
neither JAX nor anything else that takes time; fixtures do, once a test asks for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WORST_FIRST = ("fail", "inconclusive", "pass")
"""As `jaxdebug.reports.WORST_FIRST`, which is not imported for a few words."""

MOST = 20
"""Lines of the summary."""

SCHEMA = "jaxdebug.tests/1"

MARKER = (
    "jaxdebug(**settings): settings of the fixtures assert_gradients and assert_layer, "
    "such as order=2, seed=1, budget='exhaustive', examples=100"
)

REPORTS = pytest.StashKey[list[Any]]()
"""Of a test: the reports that it made."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("jaxdebug")
    group.addoption(
        "--jaxdebug-report",
        metavar="PATH",
        help="write all reports that tests made to a JSON file, worst first",
    )
    parser.addini(
        "jaxdebug_max_examples",
        "how many inputs assert_layer tries, where a test does not say",
        default="",
    )
    parser.addini(
        "jaxdebug_profile",
        "Hypothesis profile to load, such as jaxdebug; --hypothesis-profile wins",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, load the profile, and collect reports where tests are told."""
    config.addinivalue_line("markers", MARKER)
    _max_examples(config)
    path = config.getoption("jaxdebug_report")
    if path and (Path(path).is_dir() or not Path(path).absolute().parent.is_dir()):
        raise pytest.UsageError(
            f"--jaxdebug-report: expected a file in an existing folder; found {path}"
        )
    _load_profile(config)
    # A worker of pytest-xdist hands its reports to the process that started it.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collected(path), "jaxdebug-collected")


def _max_examples(config: pytest.Config) -> int | None:
    text = config.getini("jaxdebug_max_examples")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise pytest.UsageError(
            f"jaxdebug_max_examples: expected a whole number above 0; found {text!r}"
        )
    return int(text)


def _load_profile(config: pytest.Config) -> None:
    name = config.getini("jaxdebug_profile")
    if not name or config.getoption("--hypothesis-profile", default=None):
        return
    from hypothesis import settings
    from hypothesis.errors import InvalidArgument

    try:
        settings.load_profile(name)
    except InvalidArgument as error:
        raise pytest.UsageError(f"jaxdebug_profile: {error}") from None


def _settings_of(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of a test's markers; the closest one wins."""
    found: dict[str, Any] = {}
    for marker in request.node.iter_markers("jaxdebug"):
        if marker.args:
            pytest.fail(
                "@pytest.mark.jaxdebug expects settings by name, as in order=2; found "
                f"{marker.args!r}",
                pytrace=False,
            )
        found = {**marker.kwargs, **found}
    return found


def _own_settings(
    request: pytest.FixtureRequest, function: Callable[..., Any]
) -> dict[str, Any]:
    """The settings of a test that a function takes; one nobody takes is refused."""
    from inspect import Parameter, signature

    from jaxdebug import testing

    def names(function: Callable[..., Any]) -> set[str]:
        taken = signature(function).parameters.values()
        return {one.name for one in taken if one.kind is Parameter.KEYWORD_ONLY}

    found = _settings_of(request)
    known = names(testing.assert_gradients) | names(testing.check_layer)
    unknown = sorted(found.keys() - known)
    if unknown:
        pytest.fail(
            f"@pytest.mark.jaxdebug expects settings out of {', '.join(sorted(known))}"
            f"; found {', '.join(unknown)}",
            pytrace=False,
        )
    own = names(function)
    return {name: value for name, value in found.items() if name in own}


@pytest.fixture
def record_report(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Have a report in the summary, and in what `--jaxdebug-report` writes.

    A function that takes any report of jaxdebug and returns it. A report that fails
    does not fail the test: call its `raise_if_failed()`.
    """

    def record(report: Any) -> Any:
        kept = request.node.stash.setdefault(REPORTS, [])
        if not any(report is one for one in kept):
            kept.append(report)
        return report

    return record


@pytest.fixture
def assert_gradients(
    request: pytest.FixtureRequest, record_report: Callable[[Any], Any]
) -> Callable[..., Any]:
    """`jaxdebug.testing.assert_gradients` with the settings of the test's markers."""
    from jaxdebug import testing

    settings = _own_settings(request, testing.assert_gradients)

    def check(fn: Callable[..., Any], *args: Any, **own: Any) -> Any:
        __tracebackhide__ = True
        return record_report(testing.assert_gradients(fn, *args, **settings | own))

    return check


@pytest.fixture
def assert_layer(
    request: pytest.FixtureRequest, record_report: Callable[[Any], Any]
) -> Callable[..., Any]:
    """`jaxdebug.testing.check_layer` with the settings of the test's markers.

    Takes its arguments and returns its report, or raises if a property does not hold.
    """
    from jaxdebug import testing

    settings = _own_settings(request, testing.check_layer)
    examples = _max_examples(request.config)
    if examples is not None:
        settings = {"examples": examples} | settings

    def check(layer: Any, *args: Any, **own: Any) -> Any:
        __tracebackhide__ = True
        report = record_report(testing.check_layer(layer, *args, **settings | own))
        report.raise_if_failed()
        return report

    return check


@pytest.fixture
def assert_finite(record_report: Callable[[Any], Any]) -> Callable[..., Any]:
    """`jaxdebug.testing.assert_finite`, with its report in the summary."""
    from jaxdebug import testing

    def check(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return record_report(testing.assert_finite(fn, *args, **kwargs))

    return check


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Have what a test reported travel with its outcome, from a worker too."""
    reports = item.stash.get(REPORTS, [])
    # What an assertion raises carries its report, with a fixture or without.
    raised = None if call.excinfo is None else call.excinfo.value
    if type(raised).__module__ == "jaxdebug.checks.report":
        own = getattr(raised, "report")  # noqa: B009  # of a class not imported here
        reports = [*(one for one in reports if one is not own), own]
    item.stash[REPORTS] = []
    if reports:
        worst = min((str(one.verdict) for one in reports), key=WORST_FIRST.index)
        item.user_properties += [
            ("jaxdebug.verdict", worst),
            ("jaxdebug.reports", len(reports)),
        ]
        codes = {finding.code for report in reports for finding in report.findings}
        if codes:
            item.user_properties.append(("jaxdebug.findings", " ".join(sorted(codes))))
    result = yield
    if reports:
        # Attributes of a report are sent as they are, if they are plain values.
        result.jaxdebug = [(one.summary(), one.to_json()) for one in reports]
    return result


class _Collected:
    """The reports of all tests.

    Args:
        path: of the file to write, if it was asked for.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.records: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the reports of a test."""
        for summary, text in getattr(report, "jaxdebug", ()):
            record = {"test": report.nodeid, "when": report.when, "summary": summary}
            self.records.append(record | {"report": json.loads(text)})

    def worst_first(self) -> list[dict[str, Any]]:
        """By verdict, then as the tests ran."""
        order = WORST_FIRST.index
        return sorted(self.records, key=lambda one: order(one["report"]["verdict"]))

    def pytest_sessionfinish(self) -> None:
        """Write the file, whatever the outcome."""
        if self.path:
            content = {"schema": SCHEMA, "reports": self.worst_first()}
            text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
            Path(self.path).write_text(text + "\n", "utf-8", errors="backslashreplace")

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Say what was reported, worst first."""
        if not self.records:
            return
        terminalreporter.section("jaxdebug reports")
        for record in self.worst_first()[:MOST]:
            verdict = record["report"]["verdict"].upper()
            line = f"{verdict}  {record['test']}  {record['summary']}"
            terminalreporter.line(_shown(line))
        if len(self.records) > MOST:
            terminalreporter.line(f"and {len(self.records) - MOST} more")
        if self.path:
            terminalreporter.line(f"written: {_shown(self.path)}")


def _shown(text: str) -> str:
    """One line without control characters, whatever somebody called a layer."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
