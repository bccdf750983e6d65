"""`assert_jit_consistent` of functions that Python alone can run."""

from __future__ import annotations

from typing import Any

import pytest

from jaxdebug import testing
from jaxdebug.checks.report import ReportFailed


def test_a_number_of_python_is_compared_as_an_array_is() -> None:
    def magnitude(x: Any) -> Any:
        return x if x > 0 else -x

    with pytest.raises(ReportFailed, match="compiled, it raises TracerBool"):
        testing.assert_jit_consistent(magnitude, 1.0)
