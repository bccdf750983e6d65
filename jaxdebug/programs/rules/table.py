"""Which rule belongs to which primitive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from jaxdebug.programs.rules.call import CALL
from jaxdebug.programs.rules.cond import COND
from jaxdebug.programs.rules.custom_rule import CUSTOM_JVP, CUSTOM_VJP
from jaxdebug.programs.rules.jit import JIT
from jaxdebug.programs.rules.linear_solve import LINEAR_SOLVE
from jaxdebug.programs.rules.rule import Rule
from jaxdebug.programs.rules.scan import SCAN
from jaxdebug.programs.rules.shard_map import SHARD_MAP
from jaxdebug.programs.rules.while_loop import WHILE


class RuleTable(Mapping[str, Rule]):
    """An immutable table of rules by primitive name.

    Example:
        >>> from jaxdebug.programs.rules.call import CALL
        >>> table = DEFAULT_RULES.with_rule("my_call", CALL)
        >>> "my_call" in table, "my_call" in DEFAULT_RULES
        (True, False)
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = MappingProxyType(dict(rules))

    def __getitem__(self, primitive: str) -> Rule:
        return self._rules[primitive]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def with_rule(self, primitive: str, rule: Rule) -> RuleTable:
        """A table that differs in one rule."""
        return RuleTable({**self._rules, primitive: rule})


DEFAULT_RULES = RuleTable(
    {
        "jit": JIT,
        "closed_call": CALL,
        "core_call": CALL,
        "eval_jaxpr": CALL,
        "remat2": CALL,
        "checkpoint": CALL,
        "composite": CALL,
        "scan": SCAN,
        "while": WHILE,
        "cond": COND,
        "custom_jvp_call": CUSTOM_JVP,
        "custom_vjp_call": CUSTOM_VJP,
        "shard_map": SHARD_MAP,
        "custom_linear_solve": LINEAR_SOLVE,
    }
)
