"""A tool refuses on an untested JAX whose rules fail, and asks nothing otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.checks.doctor import examine
from jaxdebug.programs import self_test
from jaxdebug.programs._jax import versions
from jaxdebug.programs.rules.rule import Rule
from jaxdebug.programs.rules.table import DEFAULT_RULES

W = np.ones(3, np.float32)
X = np.ones((2, 3), np.float32)


def loss(w: Any, x: Any) -> jax.Array:
    return jnp.mean((x @ w) ** 2)


TOOLS = {"probe": jd.probe, "shadow": jd.shadow, "audit": jd.audit}


@pytest.fixture(autouse=True)
def forget_the_outcome() -> Iterator[None]:
    self_test._default_rules.cache_clear()
    yield
    self_test._default_rules.cache_clear()


@pytest.fixture
def use_version(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda version: monkeypatch.setattr(jax, "__version__", version)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str | None]]:
    """The outcome of every run of the self-test."""
    outcomes: list[dict[str, str | None]] = []
    check = self_test.check_rules

    def counted() -> dict[str, str | None]:
        outcomes.append(check())
        return outcomes[-1]

    monkeypatch.setattr(self_test, "check_rules", counted)
    return outcomes


@pytest.fixture
def break_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(*_: Any) -> Any:
        raise KeyError("linear")

    rules = DEFAULT_RULES.with_rule("scan", Rule(DEFAULT_RULES["scan"].bodies, apply))
    check = self_test.check_rules
    monkeypatch.setattr(self_test, "check_rules", lambda: check(rules))


@pytest.mark.parametrize(
    ("version", "tested"),
    [
        ("0.10.2", True),
        ("0.11.0", True),
        ("0.12.0.1", True),
        ("0.12.3.dev20261101", True),
        ("0.9.2", False),
        ("0.13.0", False),
        ("0.13.0.dev1", False),
        ("1.10.0", False),
        ("0.1.2", False),
        ("0.120.0", False),
    ],
)
def test_which_versions_are_tested(
    use_version: Callable[[str], None], version: str, tested: bool
) -> None:
    use_version(version)
    assert versions.is_tested() is tested
    assert versions.jax_version() == version


def test_the_jax_these_tests_run_on_is_tested() -> None:
    assert versions.is_tested()


@pytest.mark.slow
def test_a_tested_version_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the self-test must not run")

    monkeypatch.setattr(self_test, "trace", refuse)
    monkeypatch.setattr(self_test, "check_rules", refuse)
    for tool in TOOLS.values():
        tool(loss)(W, X)


@pytest.mark.slow
def test_an_untested_version_whose_rules_work_is_tested_once(
    use_version: Callable[[str], None], checks: list[dict[str, str | None]]
) -> None:
    use_version("0.13.0")
    for tool in TOOLS.values():
        wrapped = tool(loss)
    assert not checks, "wrapping a function must not start a backend"
    for tool in TOOLS.values():
        wrapped = tool(loss)
        wrapped(W, X)
        wrapped(W, X)
    assert checks == [dict.fromkeys(DEFAULT_RULES)]


@pytest.mark.slow
@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.usefixtures("break_scan")
def test_an_untested_version_whose_rules_fail_is_refused(
    use_version: Callable[[str], None], name: str
) -> None:
    use_version("0.13.0")
    with pytest.raises(RuntimeError) as refused:
        TOOLS[name](loss)(W, X)
    message = str(refused.value)
    assert message.startswith(f"{name}: expected rules that work on the JAX in use; ")
    assert "jax==0.13.0, which is not a tested version" in message
    assert "\n  scan: raised KeyError: 'linear'\n" in message
    assert "cond" not in message
    assert "Install a tested JAX (0.10, 0.11, 0.12) or a newer jaxdebug." in message
    assert "`jaxdebug doctor`" in message


@pytest.mark.usefixtures("break_scan")
def test_a_tested_version_is_not_refused() -> None:
    assert float(jd.shadow(loss)(W, X)) == 9


def test_the_doctor_says_what_works() -> None:
    found = examine()
    assert found.jax == versions.jax_version()
    assert found.tested is True
    assert found.rules == dict.fromkeys(DEFAULT_RULES)
    assert found.problems == ()
    text = found.text()
    assert f"JAX in use\n  version  {found.jax}\n  tested   yes\n" in text
    assert "\n  scan                 works\n" in text


@pytest.mark.usefixtures("break_scan")
def test_the_doctor_says_what_does_not_work(
    use_version: Callable[[str], None],
) -> None:
    use_version("0.13.0")
    found = examine()
    assert (found.jax, found.tested) == ("0.13.0", False)
    assert found.rules["scan"] == "raised KeyError: 'linear'"
    assert found.rules["cond"] is None
    assert "tested   no" in found.text()
    assert '"scan": "raised KeyError: \'linear\'"' in found.to_json()


def test_the_doctor_survives_a_self_test_that_cannot_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> Any:
        raise ImportError("no such internal name")

    monkeypatch.setattr(self_test, "check_rules", fail)
    found = examine()
    assert (found.jax, found.rules) == (None, {})
    assert "no such internal name" in found.problems[0]
    assert "no such internal name" in found.text()
