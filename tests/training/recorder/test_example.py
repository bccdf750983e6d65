"""The example of a training that becomes NaN says which line did it, three times."""

from __future__ import annotations

import pytest

from examples import watched_digits


@pytest.mark.slow
def test_the_line_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    watched_digits.main()
    said = capsys.readouterr().out
    for start in ("not finite in Classifier", "replayed from the disk: div"):
        (line,) = [line for line in said.splitlines() if line.startswith(start)]
        assert "0/0: the normalisation of a constant row" in line
        assert "watched_digits.py:31" in line
    assert "in step 130, replayed from step 100 exactly" in said
