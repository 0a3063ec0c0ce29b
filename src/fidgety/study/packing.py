"""A fitted method as one model file: members, rules and whom it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fidgety.models.checkpoint import Checkpoint, Cohort
from fidgety.models.network import Network
from fidgety.models.rules import Rules
from fidgety.motion import PROFILES
from fidgety.settings import to_plain
from fidgety.study.examples import Example
from fidgety.study.study import Recording, Study
from fidgety.study.training import NetworkConfig

__all__ = ["cohort_of", "packed"]


def packed(
    networks: Sequence[Network],
    config: NetworkConfig,
    rules: Rules,
    study: Study,
    examples: Sequence[Example],
    profile: str,
    metrics: dict[str, Any] | None = None,
) -> Checkpoint:
    """The model file of one network or an ensemble.

    Parameters
    ----------
    networks : sequence of Network
        Members, alike but for their weights.
    config : NetworkConfig
        Clips, windows and aggregation.
    rules : Rules
        Fitted on infants that the scoring network did not see.
    study, examples
        Whom it was trained on.
    profile : str
        Preprocessing, for sequences that do not say it themselves.
    metrics : dict, optional
        What was measured of it.
    """
    sequence = examples[0].sequence
    made_by = sequence.profile or PROFILES[profile](fps=sequence.fps)
    fps = made_by.fps or sequence.fps
    recordings = study.recordings_of({example.infant_id for example in examples})
    return Checkpoint.of_members(
        networks,
        fps=fps,
        profile=made_by.name,
        profile_config={**to_plain(made_by), "fps": fps},
        clip=to_plain(config.clip),
        window=to_plain(config.window),
        aggregation=config.aggregation,
        **rules.to_dict(),
        cohort=cohort_of(recordings, study.simulated),
        metrics=metrics or {},
    )


def cohort_of(recordings: Sequence[Recording], simulated: bool) -> Cohort:
    """Whom a model was trained on."""
    infants = {recording.infant_id: recording.label for recording in recordings}
    ages = [recording.age_weeks for recording in recordings if recording.age_weeks is not None]
    return Cohort(
        n_infants=len(infants),
        n_abnormal=sum(label == 1 for label in infants.values()),
        age_weeks=(min(ages), max(ages)) if ages else None,
        sites=tuple(sorted({recording.site for recording in recordings if recording.site})),
        simulated=simulated,
    )
