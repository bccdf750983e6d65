"""Sites name the user's own line, never one of a library's."""

import pytest

from tests.zoo import PROGRAMS
from tests.zoo.lines import SHARE, total, zoo_lines


@pytest.mark.acceptance
def test_nearly_every_site_has_the_users_line() -> None:
    """In at least 95 of 100 sites; the cells of Flax's own recurrences aside, whose
    module class is not the user's."""
    users = total(zoo_lines(name)[0] for name in PROGRAMS)
    assert users.other == 0
    assert sum(users) > 400
    assert users.share >= SHARE
