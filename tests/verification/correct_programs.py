"""Programs of six libraries whose gradients are right."""

from __future__ import annotations

from collections.abc import Callable

from tests.verification.correct_arrays import ARRAYS
from tests.verification.correct_losses import LOSSES
from tests.verification.correct_modules import MODULES
from tests.verification.correct_program import Correct

PROGRAMS: dict[str, Callable[[], Correct]] = {**ARRAYS, **LOSSES, **MODULES}
