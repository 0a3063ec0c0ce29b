"""Simulated recordings, infants and cohorts, in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import StudyError
from fidgety.pose.pose import Pose
from fidgety.simulate.body import SKELETON, Proportions, joint_positions
from fidgety.simulate.camera import (
    FRAME_RATE_SHARES,
    FRAME_RATES,
    Camera,
    CameraConfig,
    draw_camera,
    project,
    shake,
    sway_of,
)
from fidgety.simulate.checks import check_between, check_range
from fidgety.simulate.movement import Movement, MovementConfig, Pattern, move
from fidgety.simulate.signals import band_process
from fidgety.simulate.tracker import TrackerConfig, track

__all__ = [
    "DIFFICULTIES",
    "Difficulty",
    "SimulatedRecording",
    "SimulationConfig",
    "check_cohort",
    "infant_seeds",
    "simulate_cohort",
    "simulate_infant",
]

Difficulty = Literal["easy", "medium", "hard"]


@dataclass(frozen=True)
class SimulationConfig:
    """Everything a simulated cohort is drawn from, but for its size and seed.

    Parameters
    ----------
    movement, camera, tracker
        How infants move, how they are filmed, how a pose estimator errs.
    body_spread : float
        Log-normal standard deviation of body proportions between infants.
    age_weeks : (float, float)
        Corrected ages, drawn uniformly and without bearing on anything else.
    sites : tuple of str
        Names of sites, drawn without bearing on anything else.
    """

    movement: MovementConfig = field(default_factory=MovementConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    body_spread: float = 0.04
    age_weeks: tuple[float, float] = (10.0, 18.0)
    sites: tuple[str, ...] = ("A", "B", "C")

    def __post_init__(self) -> None:
        check_between(self, 0.0, 0.5, "body_spread")
        check_range(self, 0.0, 60.0, "age_weeks")


# Calibrated by benchmarks/simulation_calibration.py: neither mean speed nor error, frame rate or
# losses tell the classes apart; quantiles of speed and acceleration do so less and less.
DIFFICULTIES: dict[Difficulty, SimulationConfig] = {
    "easy": SimulationConfig(
        movement=MovementConfig(disguise=0.28, sporadic_share=0.05, exaggerated_share=0.0)
    ),
    "medium": SimulationConfig(
        movement=MovementConfig(
            disguise=0.25,
            amplitude_deg=2.8,
            amplitude_spread=0.4,
            intermittent_share=0.5,
            kicking_probability=0.35,
        ),
        tracker=TrackerConfig(noise=(0.007, 0.016)),
    ),
    "hard": SimulationConfig(
        movement=MovementConfig(
            disguise=0.34,
            amplitude_deg=1.8,
            amplitude_spread=0.5,
            sporadic_share=0.25,
            intermittent_share=0.7,
            kicking_probability=0.4,
            crying_probability=0.15,
        ),
        tracker=TrackerConfig(noise=(0.012, 0.025)),
    ),
}


@dataclass(frozen=True, eq=False)
class SimulatedRecording:
    """One recording and the truth behind it.

    Parameters
    ----------
    infant_id, name : str
        Of the infant and of the recording.
    label : int
        1 = fidgety movements absent or abnormal, 0 = normal.
    pattern : str
        Temporal pattern of the fidgety movements.
    age_weeks : float
        Corrected age.
    site : str
        Where it was filmed.
    pose : Pose
        What the pose estimator would report, in pixels.
    fidgety : ndarray (T, V)
        Amount of fidgety movement, 0 to 1.
    image : ndarray (T, V, 2)
        Where the joints truly were in the image, without sway, zoom or error, in pixels.
    movement : Movement
        The joint angles behind them.
    body : Proportions
        Lengths of the body that moved.
    camera : Camera
        Through which it was seen.
    sway : ndarray (T, 2, 3)
        How a hand-held camera moved the image: affine maps of `image` onto what was filmed.
    """

    infant_id: str
    name: str
    label: int
    pattern: Pattern
    age_weeks: float
    site: str
    pose: Pose
    fidgety: NDArray[np.float64] = field(repr=False)
    image: NDArray[np.float64] = field(repr=False)
    movement: Movement = field(repr=False)
    body: Proportions = field(repr=False)
    camera: Camera = field(repr=False)
    sway: NDArray[np.float64] = field(repr=False)

    @property
    def filmed(self) -> NDArray[np.float64]:
        """Where the joints truly were in the film (T, V, 2), sway and zoom included, in pixels."""
        return shake(self.image, self.sway)


def simulate_infant(
    seed: int | np.random.SeedSequence,
    *,
    label: int = 0,
    pattern: Pattern | None = None,
    seconds: float = 30.0,
    fps: float | None = None,
    difficulty: Difficulty | SimulationConfig = "medium",
    recordings: int = 1,
    infant_id: str = "s000",
) -> list[SimulatedRecording]:
    """Simulate one infant in memory.

    Parameters
    ----------
    seed : int or numpy.random.SeedSequence
        The same seed gives the same numbers.
    label : int
        1 = fidgety movements absent or abnormal, 0 = normal.
    pattern : str, optional
        Temporal pattern; drawn to fit `label` if not given, and overrides it if given.
    seconds : float
        Length of each recording.
    fps : float, optional
        Frame rate; drawn from 15 to 60 for each recording if not given.
    difficulty : {"easy", "medium", "hard"} or SimulationConfig
        What is drawn from.
    recordings : int
        Number of recordings; body, pace, amplitude and pattern stay the infant's.
    infant_id : str
        Its name.

    Raises
    ------
    StudyError
        E232 length, E233 frame rate, E234 seed, E235 difficulty, E236 number of recordings, E237
        pattern or label.
    """
    config = _checked(seed, seconds, fps, difficulty, recordings)
    if label not in (0, 1) or (pattern is not None and pattern not in get_args(Pattern)):
        raise _refused(
            "E237",
            f"Neither label {label!r} nor pattern {pattern!r} can be simulated",
            f"Labels are 0 and 1; patterns are {', '.join(get_args(Pattern))}",
        )
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    streams = root.spawn(recordings + 1)
    traits = np.random.default_rng(streams[0])
    drawn = _draw_pattern(label, config.movement, traits)
    chosen = pattern or drawn
    body = Proportions().varied(traits, config.body_spread)
    age = round(float(traits.uniform(*config.age_weeks)), 1)
    site = config.sites[int(traits.integers(len(config.sites)))]
    habits = int(traits.integers(2**63))
    return [
        SimulatedRecording(
            infant_id=infant_id,
            name=infant_id if recordings == 1 else f"{infant_id}_{number + 1}",
            label=int(chosen not in ("continual", "intermittent")),
            pattern=chosen,
            age_weeks=age,
            site=site,
            **_film(body, chosen, habits, seconds, fps, config, streams[number + 1]),
        )
        for number in range(recordings)
    ]


def _film(
    body: Proportions,
    pattern: Pattern,
    habits: int,
    seconds: float,
    fps: float | None,
    config: SimulationConfig,
    stream: np.random.SeedSequence,
) -> dict[str, Any]:
    """Move, film and track one body; the fields of a `SimulatedRecording` that result.

    Movement, camera and tracker have generators of their own, so that what is drawn for one never
    depends on what was needed for another.
    """
    moving, filming, tracking = (np.random.default_rng(s) for s in stream.spawn(3))
    rate = float(fps or filming.choice(FRAME_RATES, p=FRAME_RATE_SHARES))
    time = np.arange(round(seconds * rate)) / rate
    movement = move(time, pattern, config.movement, np.random.default_rng(habits), moving)
    joints = joint_positions(movement.angles, body)  # (T, V, 3)
    camera = draw_camera(config.camera, filming)
    image = project(joints, camera)  # (T, V, 2)
    scale = camera.focal_px / float(np.linalg.norm(camera.center - (0.0, 0.35, 0.0)))
    wobble, _, _ = band_process(time, (0.05, 1.5), None, 4, filming)
    sway = sway_of(wobble, camera, config.camera, scale)  # (T, 2, 3)
    seen = shake(image, sway)
    hidden = _self_hidden(joints)
    xy, confidence = track(seen, hidden, rate, camera.size, scale, config.tracker, tracking)
    pose = Pose.at_fps(xy, confidence, rate, SKELETON, camera.size, source="simulated")
    return {
        "pose": pose,
        "fidgety": movement.fidgety,
        "image": image,
        "movement": movement,
        "body": body,
        "camera": camera,
        "sway": sway,
    }


def _self_hidden(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the head hides an eye or ear from above (T, V), 0 to 1."""
    hidden = np.zeros(joints.shape[:2])
    for side, other in (("right", "left"), ("left", "right")):
        ears = SKELETON.rows(f"{side}_ear", f"{other}_ear")
        lower = joints[:, ears[1], 2] - joints[:, ears[0], 2]  # how far below the other ear
        hidden[:, ears[0]] = np.clip(lower / 0.5, 0, 1)
        hidden[:, SKELETON.index[f"{side}_eye"]] = np.clip(lower / 0.5 - 0.4, 0, 1)
    return hidden


def _draw_pattern(label: int, config: MovementConfig, rng: np.random.Generator) -> Pattern:
    chance = rng.random()
    if label == 0:
        return "intermittent" if chance < config.intermittent_share else "continual"
    if chance < config.sporadic_share:
        return "sporadic"
    return "exaggerated" if chance < config.sporadic_share + config.exaggerated_share else "absent"


def simulate_cohort(
    infants: int,
    *,
    abnormal_fraction: float = 0.5,
    seconds: float = 30.0,
    fps: float | None = None,
    seed: int = 0,
    difficulty: Difficulty | SimulationConfig = "medium",
    recordings_per_infant: int = 1,
) -> Iterator[SimulatedRecording]:
    """Simulate a cohort in memory, one recording after the other.

    An infant depends on the seed and its own number alone, not on how many others there are; its
    label depends on `abnormal_fraction` as well.

    Raises
    ------
    StudyError
        E230 number of infants, E231 fraction; else as `simulate_infant`.
    """
    check_cohort(infants, abnormal_fraction)
    config = _checked(seed, seconds, fps, difficulty, recordings_per_infant)
    for infant_id, label, stream in infant_seeds(infants, abnormal_fraction, seed):
        yield from simulate_infant(
            stream,
            label=label,
            seconds=seconds,
            fps=fps,
            difficulty=config,
            recordings=recordings_per_infant,
            infant_id=infant_id,
        )


def infant_seeds(
    infants: int, abnormal_fraction: float, seed: int
) -> list[tuple[str, int, np.random.SeedSequence]]:
    """Name, label and seed of each infant.

    Labels are spread evenly: among the first n infants round(n * abnormal_fraction) are abnormal,
    for every n, so that a larger cohort begins with the smaller one.
    """
    streams = np.random.SeedSequence(seed).spawn(infants)
    counts = [math.floor(n * abnormal_fraction + 0.5) for n in range(infants + 1)]
    return [(f"s{n:04d}", counts[n + 1] - counts[n], stream) for n, stream in enumerate(streams)]


def check_cohort(infants: object, abnormal_fraction: object) -> None:
    """Raise `StudyError` E230 or E231 unless a cohort can be this large and divided so."""
    if not _whole(infants) or not 1 <= infants <= 9999:  # type: ignore[operator]
        raise _refused("E230", f"Cannot simulate {infants!r} infants", "Choose 1 to 9999")
    if not _number(abnormal_fraction) or not 0 <= abnormal_fraction <= 1:  # type: ignore[operator]
        raise _refused(
            "E231",
            f"The fraction of abnormal infants is {abnormal_fraction!r}",
            "Choose a number from 0 to 1",
        )


def _checked(
    seed: object, seconds: object, fps: object, difficulty: object, recordings: object
) -> SimulationConfig:
    """The settings meant by `difficulty`, once everything asked for makes sense."""
    if not _number(seconds) or not 1 <= seconds <= 3600:  # type: ignore[operator]
        raise _refused(
            "E232", f"Cannot simulate recordings of {seconds!r} s", "Choose 1 to 3600 seconds"
        )
    if fps is not None and (not _number(fps) or not 10 <= fps <= 240):  # type: ignore[operator]
        raise _refused(
            "E233",
            f"Cannot simulate {fps!r} frames per second",
            "Choose 10 to 240, or leave it out for 15 to 60 by chance",
        )
    if not isinstance(seed, np.random.SeedSequence) and (not _whole(seed) or seed < 0):  # type: ignore[operator]
        raise _refused("E234", f"{seed!r} is no seed", "Choose a whole number, 0 or more")
    if not _whole(recordings) or not 1 <= recordings <= 99:  # type: ignore[operator]
        raise _refused(
            "E236", f"Cannot simulate {recordings!r} recordings an infant", "Choose 1 to 99"
        )
    if isinstance(difficulty, SimulationConfig):
        return difficulty
    if not isinstance(difficulty, str) or difficulty not in DIFFICULTIES:
        raise _refused(
            "E235", f"Unknown difficulty {difficulty!r}", f"Choose {', '.join(DIFFICULTIES)}"
        )
    return DIFFICULTIES[difficulty]


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return (_whole(value) or isinstance(value, float)) and math.isfinite(value)  # type: ignore[arg-type]


def _refused(code: str, what: str, remedy: str) -> StudyError:
    return StudyError(code, what, remedy=remedy)
