"""What the tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

from fidgety.errors import VideoError

# The same examples at every run, so that a red run is the fault of a change; and no limit of time
# for an example or for making it: a busy machine is no fault. For new ones: HYPOTHESIS_PROFILE=new.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", PATIENT, derandomize=True)
settings.register_profile("new", PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def weights():
    """The real BlazePose weights, fetched if need be; skips, and says why, where that fails."""
    from fidgety.pose.estimators import fetch

    pytest.importorskip("ai_edge_litert")
    try:
        return fetch()
    except VideoError as error:
        if error.code != "E622":
            raise
        pytest.skip(f"NO WEIGHTS, the real models are not tested: {error}")
