"""The plugin as users meet it: found by its entry point, in a run of its own."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.checks.json_schema import problems
from tests.slow import quick_cases

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("-p", "no:cacheprovider", "--strict-markers", "-W", "error")

REPORTED = """
from dataclasses import dataclass

from jaxdebug.checks.report import Report
from jaxdebug.findings import found
from jaxdebug.reports import Document, Verdict


@dataclass(frozen=True)
class Holds(Report):
    schema = "own/1"
    name: str
    verdict: Verdict

    @property
    def findings(self):
        code, where = "broken-property", self.name
        return [found(code, where, "off")] if self.verdict is Verdict.FAIL else []

    def _document(self):
        return Document(self.name, self.verdict, "it holds")

    def _record(self):
        return {"verdict": self.verdict, "value": float("nan")}


def report(name, verdict):
    return Holds(name, Verdict(verdict))


def test_fine(record_report):
    assert record_report(report("right", "pass")).ok


def test_two(record_report):
    record_report(report("right again", "pass"))
    record_report(report("vague\\x1b", "inconclusive"))


def test_raised():
    report("wrong", "fail").raise_if_failed()


def test_without_a_report():
    pass
"""

WORKING = """
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest


@jax.custom_jvp
def twice(x):
    return 2.0 * x


twice.defjvp(lambda primals, tangents: (2.0 * primals[0], 3.0 * tangents[0]))


class Centred(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x - x.mean(0)


pytestmark = pytest.mark.jaxdebug(seed=3)


@pytest.mark.jaxdebug(order=2)
def test_tanh(assert_gradients):
    report = assert_gradients(jnp.tanh, jnp.ones(3))
    assert report.seed == 3 and report.second is not None


def test_twice(assert_gradients):
    assert_gradients(twice, jnp.ones(3))


@pytest.mark.jaxdebug(only=["rows-independent", "vmap"])
def test_layer(assert_layer):
    assert_layer(Centred())


def test_examples(assert_layer):
    report = assert_layer(nn.Dense(2), only=["dtype"])
    assert report.properties[0].examples <= 5


def test_finite(assert_finite):
    assert_finite(jnp.log, jnp.zeros(2))


@pytest.mark.jaxdebug(ordre=2)
def test_misspelt(assert_gradients):
    pass
"""


@pytest.fixture
def installed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's entry points as an installer writes them down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    folder = pytester.mkdir("installed") / "jaxdebug-0.dist-info"
    folder.mkdir()
    about = "Metadata-Version: 2.1\nName: jaxdebug\nVersion: 0\n"
    (folder / "METADATA").write_text(about)
    (folder / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items())
            for group, entries in project["entry-points"].items()
        )
    )
    path = os.pathsep.join([str(folder.parent), str(ROOT)])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.delenv("CI", raising=False)
    # pytester takes the name of the folder for a package to collect.
    pytester.makeini("[pytest]\nnorecursedirs = installed")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess(*OPTIONS, *arguments, timeout=240)


SUMMARY = [
    "*= jaxdebug reports =*",
    "FAIL  *::test_raised  wrong: it holds",
    r"INCONCLUSIVE  *::test_two  vague\x1b: it holds",
    "PASS  *::test_fine  right: it holds",
    "PASS  *::test_two  right again: it holds",
]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("workers", [None, *quick_cases(["0", "2"], [])])
def test_reports_are_told_worst_first(
    pytester: pytest.Pytester, workers: str | None
) -> None:
    pytester.makepyfile(REPORTED)
    arguments = [*OPTIONS, "--jaxdebug-report=all.json", "--junitxml=junit.xml"]
    if workers is None:
        # In this process, which may have the plugin from its own entry point.
        own = ["-p", "no:jaxdebug", "-p", "jaxdebug.pytest_plugin", "-n", "0"]
        # This process has imported it already, of which pytest 8 warns.
        own += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        result = pytester.runpytest_inprocess(*arguments, *own)
    else:
        result = run(pytester, *arguments, "-n", workers)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines([re.sub(r"([\[\]])", r"[\1]", s) for s in SUMMARY[:3]])
    for line in SUMMARY:
        result.stdout.fnmatch_lines([line])

    content = json.loads((pytester.path / "all.json").read_text("utf-8"))
    schema = json.loads((ROOT / "docs" / "schema" / "tests-1.json").read_text("utf-8"))
    assert not problems(content, schema, schema)
    verdicts = [one["report"]["verdict"] for one in content["reports"]]
    assert verdicts == ["fail", "inconclusive", "pass", "pass"]

    cases = ElementTree.parse(pytester.path / "junit.xml").iter("testcase")
    found = {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in cases
    }
    assert found == {
        "test_fine": {"jaxdebug.verdict": "pass", "jaxdebug.reports": "1"},
        "test_two": {"jaxdebug.verdict": "inconclusive", "jaxdebug.reports": "2"},
        "test_raised": {
            "jaxdebug.verdict": "fail",
            "jaxdebug.reports": "1",
            "jaxdebug.findings": "broken-property",
        },
        "test_without_a_report": {},
    }


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_fixtures_take_the_settings_of_markers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WORKING)
    result = run(pytester, "-o", "jaxdebug_max_examples=5")
    result.assert_outcomes(passed=2, failed=3, errors=1)
    result.stdout.fnmatch_lines(
        ["*expects settings out of *order*; found ordre", "*= jaxdebug reports =*"]
    )
    for line in (
        "FAIL  *::test_twice  gradients of twice: *",
        "FAIL  *::test_layer  layer Centred: 1 of 2 properties hold, 1 do not",
        "FAIL  *::test_finite  *",
        "PASS  *::test_tanh  *",
    ):
        result.stdout.fnmatch_lines([line])


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_where_nobody_asks_nothing_is_said_or_imported(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_imports(request):
            assert request.config.pluginmanager.has_plugin("jaxdebug")
            found = {name for name in sys.modules if name.startswith("jaxdebug")}
            assert found == {"jaxdebug", "jaxdebug.pytest_plugin"}
            assert not {"jax", "flax", "rich"} & set(sys.modules)
        """
    )
    result = run(pytester, "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*jaxdebug reports*")


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jaxdebug-report=missing/all.json"], "*expected a file in an existing*"),
        (["-o", "jaxdebug_max_examples=few"], "*whole number above 0; found 'few'"),
        (["-o", "jaxdebug_profile=quick"], "*jaxdebug_profile: *quick*"),
    ],
)
def test_options_that_are_wrong_are_refused(
    pytester: pytest.Pytester, arguments: list[str], message: str
) -> None:
    result = run(pytester, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


PROFILE = """
import sys
from hypothesis import settings

def test_profile():
    assert "jax" not in sys.modules
    found = settings.get_profile("jaxdebug")
    assert found.deadline is None and found.print_blob
    assert found.max_examples == {examples}
    assert found.derandomize is {in_ci}
    assert settings.get_current_profile_name() == "jaxdebug"
"""


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("in_ci", [False, True])
def test_the_profile_is_registered_by_hypothesis(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, in_ci: bool
) -> None:
    if in_ci:
        monkeypatch.setenv("CI", "true")
    pytester.makepyfile(PROFILE.format(examples=20 if in_ci else 100, in_ci=in_ci))
    result = run(pytester, "-o", "jaxdebug_profile=jaxdebug")
    result.assert_outcomes(passed=1)
