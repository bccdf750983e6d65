"""The Hypothesis profile `jaxdebug`, registered when Hypothesis is imported.

Hypothesis calls this by its entry point, in any project where both are installed, so
it imports no JAX.
"""

from __future__ import annotations

PROFILE = "jaxdebug"
EXAMPLES, EXAMPLES_IN_CI = 100, 20


def register_profile() -> None:
    """Register the profile; `settings.load_profile("jaxdebug")` has it used.

    No deadline, because the first example of a shape compiles; a blob that reproduces
    each failure; and where Hypothesis sees that it runs in continuous integration,
    fewer examples, the same ones each time.
    """
    from hypothesis import HealthCheck, settings

    # What Hypothesis begins with is its own profile `ci` in continuous integration.
    in_ci = settings.get_current_profile_name() == "ci"
    settings.register_profile(
        PROFILE,
        settings.get_profile("ci") if in_ci else settings.get_profile("default"),
        deadline=None,
        print_blob=True,
        max_examples=EXAMPLES_IN_CI if in_ci else EXAMPLES,
        suppress_health_check=[HealthCheck.too_slow],
    )
