"""Labelled recordings as a network trains on them: sequences in memory, batches of clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fidgety.errors import PoseError, StudyError
from fidgety.motion import ClipConfig, Clips, PoseSequence, WindowConfig, split, windows
from fidgety.pose.skeleton import Skeleton, load_skeleton

__all__ = ["Batch", "Example", "Window", "batches", "check_alike", "windows_of"]


@dataclass(frozen=True, eq=False)
class Example:
    """One recording of an infant with its label.

    Parameters
    ----------
    infant_id, recording : str
        Whose it is, and which.
    label : int
        1 = fidgety movements absent or abnormal, 0 = normal.
    sequence : PoseSequence
        Its features (7, T, V).
    """

    infant_id: str
    recording: str
    label: int
    sequence: PoseSequence


@dataclass(frozen=True, eq=False)
class Window:
    """A training sample: the usable clips of one window over a recording.

    Parameters
    ----------
    clips : Clips
        Of the whole recording.
    rows : ndarray (K,)
        The window's usable clips.
    label, weight : float
        Label, and the window's share of its recording.
    """

    clips: Clips
    rows: NDArray[np.intp]
    label: float
    weight: float


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows side by side: clips (N, K, C, T, V), mask (N, K), label (N,), weight (N,)."""

    clips: torch.Tensor
    mask: torch.Tensor
    label: torch.Tensor
    weight: torch.Tensor


def windows_of(examples: Sequence[Example], clip: ClipConfig, window: WindowConfig) -> list[Window]:
    """All windows of all recordings; those of one recording share its weight of 1.

    Raises
    ------
    StudyError
        E271 if a recording has no usable clip.
    PoseError
        E108 if a recording is shorter than a clip.
    """
    found: list[Window] = []
    for example in examples:
        clips = _clips_of(example, clip)
        rows = [np.arange(len(clips))[part] for part in windows(clips, window)]
        rows = [part[clips.usable[part]] for part in rows]
        rows = [part for part in rows if len(part)]
        if not rows:
            raise StudyError(
                "E271",
                "No usable clip",
                where=example.recording,
                why="too few joints were seen",
                remedy="Leave this recording out of the labels",
            )
        label = float(example.label)
        found += [Window(clips, part, label, 1 / len(rows)) for part in rows]
    return found


def check_alike(examples: Sequence[Example], layout: Skeleton) -> None:
    """Refuse sequences that one network cannot read side by side.

    Raises
    ------
    StudyError
        E281 if the frame rates differ; E282 if the joints are not those of `layout`.
    """
    rates = sorted({round(example.sequence.fps, 3) for example in examples})
    if len(rates) > 1:
        shown = ", ".join(f"{rate:g}" for rate in rates[:5])
        raise StudyError(
            "E281",
            f"The sequences have {len(rates)} frame rates: {shown}",
            why="a network knows movement at one",
            remedy="Prepare them from poses with one profile, or give --fps to take all of them "
            "for one rate, as the paper's code does",
        )
    for example in examples:
        sequence = example.sequence
        named = load_skeleton(sequence.skeleton)
        if named.joints != layout.joints or sequence.values.shape[2] != len(layout):
            raise StudyError(
                "E282",
                f"The sequence has {sequence.values.shape[2]} joints of {sequence.skeleton}, "
                f"the network knows the {len(layout)} of {layout.name}",
                where=example.recording,
                remedy="Prepare it from its poses: fidgety prepare STUDY",
            )


def _clips_of(example: Example, config: ClipConfig) -> Clips:
    try:
        return split(example.sequence, config)
    except PoseError as error:
        raise PoseError(
            error.code,
            error.what,
            where=example.recording,
            why=error.why,
            remedy="Shorten the clips, or leave this recording out of the labels",
        ) from error


def batches(
    samples: Sequence[Window],
    batch_size: int,
    rng: np.random.Generator,
    clips_per_window: int | None = None,
) -> Iterator[Batch]:
    """Samples in random order, at most `clips_per_window` random clips of each window.

    Temporal attention does not look at the order of clips, so a random part of a window is a
    smaller sample of the same infant, not a distorted one.
    """
    order = rng.permutation(len(samples))
    for start in range(0, len(order), batch_size):
        chosen = [samples[i] for i in order[start : start + batch_size]]
        rows = [_some(sample.rows, clips_per_window, rng) for sample in chosen]
        most = max(map(len, rows))
        shape = chosen[0].clips.every.shape[1:]  # (C, T, V)
        clips = np.zeros((len(chosen), most, *shape), dtype=np.float32)
        mask = np.zeros((len(chosen), most), dtype=bool)
        for n, (sample, part) in enumerate(zip(chosen, rows, strict=True)):
            clips[n, : len(part)] = sample.clips.values(part)
            mask[n, : len(part)] = True
        yield Batch(
            torch.from_numpy(clips),
            torch.from_numpy(mask),
            torch.tensor([sample.label for sample in chosen]),
            torch.tensor([sample.weight for sample in chosen]),
        )


def _some(rows: NDArray[np.intp], most: int | None, rng: np.random.Generator) -> NDArray[np.intp]:
    if most is None or len(rows) <= most:
        return rows
    return np.sort(rng.choice(rows, most, replace=False))
