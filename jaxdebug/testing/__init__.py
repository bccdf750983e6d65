"""Property tests for what users write themselves; hands names on."""

from jaxdebug.testing.statistic_laws import assert_statistic

__all__ = ["assert_statistic"]
