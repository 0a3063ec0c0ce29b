"""What the tests share."""

import pytest

from fidgety.errors import VideoError


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
