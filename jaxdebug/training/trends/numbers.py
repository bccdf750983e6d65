"""How large gradients and updates of each parameter were, over all samples."""

from __future__ import annotations

from jaxdebug.findings.rules.reading import Numbers, is_zero, of_kind, whole
from jaxdebug.training.recorder.observation import Reading
from jaxdebug.training.trends.facts import Path


class Sizes:
    """Whether each parameter ever had a gradient, an update, one that was lost."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all samples."""
        self._measured: dict[str, set[Path]] = {"gradient": set(), "update": set()}
        self._some: dict[str, set[Path]] = {"gradient": set(), "update": set()}
        self._lost = set[Path]()
        self._finite = set[Path]()
        self.dtypes: dict[Path, str] = {}

    def sample(self, reading: Reading) -> None:
        """Take in one more sample."""
        for site, numbers in of_kind([*reading.statistics], "gradient", "update"):
            if not whole(numbers, "count"):
                continue
            self._measured[site.kind].add(site.path)
            self.dtypes[site.path] = site.dtype
            if site.kind == "gradient" and not whole(numbers, "nonfinite"):
                self._finite.add(site.path)
            if not is_zero(numbers):
                self._some[site.kind].add(site.path)
            if _is_lost(numbers):
                self._lost.add(site.path)

    def gradient_is_zero(self, path: Path) -> bool:
        """Whether its gradient was measured, and was zero in all samples."""
        return path in self._measured["gradient"] - self._some["gradient"]

    def gradient_is_never_finite(self, path: Path) -> bool:
        """Whether its gradient was measured, and not finite in any sample."""
        return path in self._measured["gradient"] - self._finite

    def has_gradient(self, path: Path) -> bool:
        """Whether its gradient was not zero in some sample."""
        return path in self._some["gradient"]

    def updated(self, path: Path) -> bool:
        """Whether its new value was not its old one in some sample."""
        return path in self._some["update"]

    def lost(self, path: Path) -> bool:
        """Whether something was added to it in some sample that rounding lost."""
        return path in self._lost


def _is_lost(numbers: Numbers) -> bool:
    return whole(numbers, "lost") > 0
