"""How the infant moves: gross strokes, fidgety movements, and what may stand in their place.

Everything is a function of continuous time, so that one infant can be filmed at any frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError
from fidgety.simulate.body import ANGLES, BODY_PARTS, JOINT_PARTS
from fidgety.simulate.checks import check_between, check_range
from fidgety.simulate.signals import band_process, episode, minimum_jerk, windows

__all__ = [
    "ABNORMAL_PATTERNS",
    "NORMAL_PATTERNS",
    "Movement",
    "MovementConfig",
    "Pattern",
    "move",
]

Pattern = Literal["continual", "intermittent", "sporadic", "absent", "exaggerated"]
NORMAL_PATTERNS: tuple[Pattern, ...] = ("continual", "intermittent")
ABNORMAL_PATTERNS: tuple[Pattern, ...] = ("absent", "sporadic", "exaggerated")
# Seconds of a bout and of the pause after it (drawn uniformly), after the clinical scoring:
# FM++ continual, FM+ intermittent (pauses up to about 10 s), FM+- sporadic (bursts of 1 to 3 s).
BOUTS: dict[Pattern, tuple[tuple[float, float], tuple[float, float]]] = {
    "continual": ((12.0, 30.0), (0.5, 2.0)),
    "exaggerated": ((12.0, 30.0), (0.5, 2.0)),
    "intermittent": ((4.0, 12.0), (2.0, 8.0)),
    "sporadic": ((1.0, 3.0), (8.0, 20.0)),
}


@dataclass(frozen=True)
class MovementConfig:
    """What is drawn alike for normal and abnormal infants, and what sets them apart.

    Parameters
    ----------
    band_hz : (float, float)
        The band of fidgety movements. No primary source states one: a parameter to sweep.
    center_hz : (float, float)
        Each infant's own centre within the band is drawn from this range.
    amplitude_deg : float
        Median over infants of the standard deviation of one fidgety joint angle of weight 1.
    amplitude_spread : float
        Log-normal standard deviation of that amplitude between infants.
    exaggeration : float
        Factor on the amplitude for the pattern ``exaggerated``.
    restless_hz, tremor_hz : (float, float)
        Bands of what stands where fidgety movements do not: slow restless movement and fast tremor.
    restless_background, tremor_background : (float, float)
        Every infant has some of both, whatever its label: so many times (variance) what would stand
        in for fidgety movement, drawn log-uniformly for each infant. Without it the mere presence
        of either would tell the classes apart.
    drift_hz : (float, float)
        Band of the posture's drift in infants with fidgety movements; gives them the same reach.
    disguise : float
        Share of the fidgety acceleration (variance) that the tremor takes over; the restless
        movement takes over what is left of the speed. At 0 an infant without fidgety movements is
        as fast but smoother, at 1 it is neither faster nor smoother than the others. Median over
        infants; smoothing before the analysis takes more of the tremor than of fidgety movement, so
        that values above 1 are needed to disguise it there.
    disguise_spread : float
        Log-normal standard deviation of `disguise` between infants.
    substitute : float
        Share of the fidgety speed (variance) taken over, 0 nothing stands in its place.
    stroke_s, pause_s : (float, float)
        Seconds of a gross stroke, and of the mean pause between two; each infant has its own mean.
    reach : float
        Share of the range of postures that strokes use.
    kicking_probability, crying_probability : float
        Of an episode in a recording.
    episode_s : (float, float)
        Seconds of such an episode.
    sporadic_share, exaggerated_share : float
        Of abnormal infants; the others have no fidgety movements at all.
    intermittent_share : float
        Of normal infants; the others' fidgety movements are continual.
    """

    band_hz: tuple[float, float] = (0.8, 3.0)
    center_hz: tuple[float, float] = (1.4, 2.2)
    amplitude_deg: float = 5.0
    amplitude_spread: float = 0.25
    exaggeration: float = 2.0
    restless_hz: tuple[float, float] = (0.3, 1.0)
    tremor_hz: tuple[float, float] = (3.6, 5.2)
    restless_background: tuple[float, float] = (0.5, 5.0)
    tremor_background: tuple[float, float] = (0.1, 1.0)
    drift_hz: tuple[float, float] = (0.08, 0.3)
    disguise: float = 0.25
    disguise_spread: float = 0.3
    substitute: float = 0.93
    stroke_s: tuple[float, float] = (0.5, 1.6)
    pause_s: tuple[float, float] = (0.8, 4.0)
    reach: float = 0.5
    kicking_probability: float = 0.3
    crying_probability: float = 0.1
    episode_s: tuple[float, float] = (2.0, 6.0)
    sporadic_share: float = 0.1
    exaggerated_share: float = 0.03
    intermittent_share: float = 0.4

    def __post_init__(self) -> None:
        check_range(
            self,
            0.01,
            30.0,
            *(f"{n}_hz" for n in ("band", "center", "restless", "tremor", "drift")),
        )
        check_range(self, 0.1, 120.0, "stroke_s", "pause_s", "episode_s")
        check_range(self, 0.001, 100.0, "restless_background", "tremor_background")
        check_between(self, 0.0, 45.0, "amplitude_deg")
        check_between(self, 0.0, 2.0, "amplitude_spread", "disguise", "disguise_spread")
        check_between(self, 0.0, 2.0, "substitute")
        check_between(self, 0.0, 10.0, "exaggeration")
        check_between(
            self,
            0.0,
            1.0,
            "reach",
            "kicking_probability",
            "crying_probability",
            "sporadic_share",
            "exaggerated_share",
            "intermittent_share",
        )
        if self.sporadic_share + self.exaggerated_share > 1:
            raise ConfigError(
                "E702",
                "sporadic_share and exaggerated_share exceed 1 together",
                where="MovementConfig",
            )


@dataclass(frozen=True, eq=False)
class Movement:
    """Joint angles over time and what they are made of.

    Parameters
    ----------
    angles : ndarray (T, A)
        Degrees, columns as `fidgety.simulate.body.ANGLES`.
    fidgety : ndarray (T, V)
        Amount of fidgety movement of each joint, 0 to 1.
    crying : ndarray (T,)
        0 to 1.
    """

    angles: NDArray[np.float64]
    fidgety: NDArray[np.float64]
    crying: NDArray[np.float64] = field(repr=False)


def move(
    time: NDArray[np.float64],
    pattern: Pattern,
    config: MovementConfig,
    infant: np.random.Generator,
    recording: np.random.Generator,
) -> Movement:
    """Draw the movement of one recording.

    Parameters
    ----------
    time : ndarray (T,)
        Seconds.
    pattern : str
        Temporal pattern of the fidgety movements.
    config : MovementConfig
        The distributions drawn from.
    infant, recording : numpy.random.Generator
        `infant` draws what stays the same in all recordings of an infant (pace, amplitude,
        frequencies), `recording` draws the rest. Both draw as much whatever the pattern is.
    """
    if pattern not in get_args(Pattern):
        raise ValueError(f"unknown pattern {pattern!r}")
    pause = float(np.exp(infant.uniform(*np.log(config.pause_s))))
    amplitude = config.amplitude_deg * float(
        np.exp(config.amplitude_spread * infant.standard_normal())
    )
    center = float(infant.uniform(*config.center_hz))
    disguise = config.disguise * float(np.exp(config.disguise_spread * infant.standard_normal()))

    crying = episode(time, config.crying_probability, config.episode_s, recording)  # (T,)
    angles = _gross(time, pause, config, recording)  # (T, A)
    angles += _kicking(time, config, recording)
    angles += _crying_strokes(time, recording) * crying[:, np.newaxis]
    ranges = np.log([config.restless_background, config.tremor_background])
    own_restless, own_tremor = np.exp(infant.uniform(ranges[:, 0], ranges[:, 1]))
    own = (float(own_restless), float(own_tremor))
    small, amount = _small(time, pattern, amplitude, center, disguise, own, config, recording)
    calm = (1 - crying)[:, np.newaxis]  # fidgety movements belong to the awake, calm infant
    angles += small * calm
    rows = [BODY_PARTS.index(part) for part in JOINT_PARTS]
    return Movement(angles, amount[:, rows] * calm, crying)


def _small(
    time: NDArray[np.float64],
    pattern: Pattern,
    amplitude: float,
    center: float,
    disguise: float,
    own: tuple[float, float],
    config: MovementConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fidgety movement and its substitute (T, A), and the amount of the former by part (T, P).

    The substitute is given the speed and, to the degree of `disguise`, the acceleration which the
    fidgety movement would have had, in bouts drawn from those of normal infants.
    """
    weights = np.array([angle.fidgety for angle in ANGLES])  # (A,)
    fidgety, fast, jerky = band_process(time, config.band_hz, center, len(ANGLES), rng)
    restless, slow_speed, _ = band_process(time, config.restless_hz, None, len(ANGLES), rng)
    tremor, quick, quick_jerk = band_process(time, config.tremor_hz, None, len(ANGLES), rng)
    drift, drifting, _ = band_process(time, config.drift_hz, None, len(ANGLES), rng)
    usual = NORMAL_PATTERNS[int(rng.random() < config.intermittent_share)]
    in_bouts = _bouts(time, usual, rng)  # (T,)
    in_bursts = _bouts(time, "sporadic", rng)
    emphasis, _, _ = band_process(time, (0.05, 0.4), None, len(BODY_PARTS), rng)
    emphasis = np.clip(0.8 + 0.3 * emphasis, 0.3, 1.0)  # parts take turns in showing it

    if pattern in ("continual", "intermittent", "exaggerated"):
        present, instead = (
            (in_bouts if pattern == usual else _bouts(time, pattern, rng)),
            0.0 * time,
        )
    else:
        present = in_bursts if pattern == "sporadic" else 0.0 * time
        instead = in_bouts * (1 - present)
    factor = config.exaggeration if pattern == "exaggerated" else 1.0

    tremor_power = disguise * jerky / quick_jerk
    # The restless movement reaches further than a fidgety one of the same speed. A slower drift of
    # the posture gives the others the same reach; its speed is part of the balance.
    restless_power = config.substitute * (fast + (tremor_power - 1) * drifting)
    restless_power -= tremor_power * quick
    restless_power = max(0.0, restless_power / (slow_speed - config.substitute * drifting))
    substitute = np.sqrt(restless_power) * restless + np.sqrt(tremor_power) * tremor
    own_restless, _, _ = band_process(time, config.restless_hz, None, len(ANGLES), rng)
    own_tremor, _, _ = band_process(time, config.tremor_hz, None, len(ANGLES), rng)
    background = np.sqrt(own[0] * restless_power) * own_restless
    background += np.sqrt(own[1] * tremor_power) * own_tremor
    drift *= np.sqrt(max(0.0, restless_power + tremor_power - 1))
    amount = present[:, np.newaxis] * emphasis  # (T, P)
    parts = [BODY_PARTS.index(angle.part) for angle in ANGLES]
    small = factor * amount[:, parts] * fidgety
    small += (instead[:, np.newaxis] * emphasis)[:, parts] * substitute
    small += emphasis[:, parts] * background
    if pattern in NORMAL_PATTERNS:
        small += (in_bouts[:, np.newaxis] * emphasis)[:, parts] * drift
    return amplitude * weights * small, amount


def _gross(
    time: NDArray[np.float64], pause: float, config: MovementConfig, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Strokes from posture to posture (T, A), each part of the body at its own moments.

    A stroke is the minimum-jerk course from one posture to the next (Flash and Hogan 1985).
    """
    low = np.array([angle.low for angle in ANGLES], dtype=float)
    high = np.array([angle.high for angle in ANGLES], dtype=float)
    home = low + (high - low) * rng.uniform(0.25, 0.75, len(ANGLES))
    angles = np.empty((len(time), len(ANGLES)))
    end = float(time[-1]) + 1.0
    for part in BODY_PARTS:
        columns = [i for i, angle in enumerate(ANGLES) if angle.part == part]
        count = int(end / (0.5 * pause + config.stroke_s[0])) + 8
        rest = rng.exponential(pause, count) + 0.1
        rest[0] *= rng.random()
        length = rng.uniform(*config.stroke_s, count)
        starts = np.cumsum(rest) + np.concatenate([[0.0], np.cumsum(length[:-1])])  # (S,)
        # A new posture for each stroke, near the infant's own; some angles stay where they are.
        offset = rng.uniform(-0.5, 0.5, (count + 1, len(columns)))
        posture = home[columns] + config.reach * (high - low)[columns] * offset
        stays = rng.random((count, len(columns))) < 0.3
        for stroke in range(count):
            posture[stroke + 1, stays[stroke]] = posture[stroke, stays[stroke]]
        posture = np.clip(posture, low[columns], high[columns])
        now = np.clip(np.searchsorted(starts, time, side="right") - 1, 0, count - 1)  # (T,)
        done = minimum_jerk(np.clip((time - starts[now]) / length[now], 0, 1))[:, np.newaxis]
        angles[:, columns] = posture[now] + done * (posture[now + 1] - posture[now])
    return angles


def _kicking(
    time: NDArray[np.float64], config: MovementConfig, rng: np.random.Generator
) -> NDArray[np.float64]:
    """An episode of rhythmic kicking (T, A), hips and knees together, both legs or in turn."""
    envelope = episode(time, config.kicking_probability, config.episode_s, rng)
    rate, size = rng.uniform(0.6, 1.4), rng.uniform(12.0, 25.0)
    lag = {"right": 0.0, "left": rng.choice([0.0, np.pi])}
    drift, _, _ = band_process(time, (0.05, 0.3), None, 1, rng)  # no metronome
    phase = 2 * np.pi * rate * time + 0.8 * drift[:, 0]
    kicks = np.zeros((len(time), len(ANGLES)))
    for column, angle in enumerate(ANGLES):
        if angle.name.endswith(("hip_flexion", "knee_flexion")):
            side = angle.name.split("_")[0]
            kicks[:, column] = size * envelope * np.sin(phase + lag[side])
    return kicks


def _crying_strokes(time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The vigorous, abrupt movement of a crying infant (T, A)."""
    flailing, _, _ = band_process(time, (0.5, 3.0), None, len(ANGLES), rng)
    return 7.0 * flailing * np.array([angle.fidgety for angle in ANGLES])


def _bouts(
    time: NDArray[np.float64], pattern: Pattern, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Envelope (T,) of bouts and pauses, 0 to 1, already running when the recording starts."""
    (shortest, longest), (least, most) = BOUTS[pattern]
    count = int((time[-1] + longest + most) / (shortest + least)) + 2
    on = rng.uniform(shortest, longest, count)
    off = rng.uniform(least, most, count)
    starts = np.concatenate([[0.0], np.cumsum(on + off)[:-1]]) - rng.random() * (on[0] + off[0])
    return windows(time, starts, starts + on)
