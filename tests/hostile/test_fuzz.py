"""A short fuzz of every reader: only `FidgetyError` comes out. The long one: fuzz.py."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from contextlib import closing
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import Target, all_targets

from fidgety.errors import FidgetyError

TARGETS = all_targets()


@pytest.mark.parametrize(
    "name", [n for n, t in TARGETS.items() if t.seeds != (b"",) and n != "endpoints"]
)
def test_what_the_fuzz_starts_from_is_read(tmp_path, name):
    target = TARGETS[name]
    for seed in target.seeds:
        path = tmp_path / f"case{target.suffix}"
        path.write_bytes(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.use(path)


@pytest.mark.skipif("endpoints" not in TARGETS, reason="needs the extra app")
def test_the_scripts_the_fuzz_starts_from_reach_every_part_of_the_app():
    import endpoints

    # A client of its own: spoilt scripts leave readers and settings behind in the shared one.
    answers: Counter[int] = Counter()
    with closing(endpoints.Client()) as here:
        for seed in endpoints.scripts():
            here.cases += 1
            for request in json.loads(seed):
                status, _, body = here.ask(request)
                here.learn(request, body)
                answers[status // 100] += 1
                if status >= 400:
                    assert json.loads(body)["code"] in ("E815", "E816", "E822"), (request, body)
    assert answers[2] >= 40
    assert answers[4] <= 4
    assert answers[5] == 0


@pytest.mark.parametrize("name", TARGETS)
def test_only_our_own_errors_come_out(tmp_path, name):
    target = TARGETS[name]

    @settings(
        max_examples=6 if target.slow else 25,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(st.randoms(use_true_random=False))
    def check(rng: Random) -> None:
        spoilt(target, target.change(rng.choice(target.seeds), rng), tmp_path)

    check()
    assert [entry.name for entry in tmp_path.iterdir()] == [f"case{target.suffix}"]


def spoilt(target: Target, raw: bytes, folder) -> str | None:
    """Hand a spoilt file to its reader; the code of what it said."""
    path = folder / f"case{target.suffix}"
    path.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            target.use(path)
        except FidgetyError as error:
            return error.code
    return None
