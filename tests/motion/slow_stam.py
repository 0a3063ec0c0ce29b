"""The published preprocessing, written plainly from its description: an oracle for `stam`.

Loops and Python numbers on purpose; it shares nothing with the package.
"""

from __future__ import annotations

import itertools
import math
import statistics

UPPER = (0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17)  # head, neck, arms in openpose18
LOWER = (8, 9, 10, 11, 12, 13)


def features(xy: list, seen: list, fps: float, size: tuple[int, int]) -> list:
    """Seven features [channel][frame][joint] of pixels [frame][joint][axis]; None = missing."""
    frames, joints = len(xy), len(xy[0])
    tracks = {}
    for joint in range(joints):
        for axis in range(2):
            track = [
                (xy[t][joint][axis] - size[axis] / 2) / size[1] if seen[t][joint] else None
                for t in range(frames)
            ]
            track = bridged(track)
            window = int(0.5 * fps)
            track = centred(track, window, statistics.median)
            tracks[joint, axis] = centred(track, window, lambda values: sum(values) / len(values))
    body = [
        [(tracks[joint, 0][t], tracks[joint, 1][t]) for joint in range(joints)]
        for t in range(frames)
    ]
    body = [levelled(frame) for frame in body]
    result = [[[None] * joints for _ in range(frames)] for _ in range(7)]
    for joint in range(joints):
        steps = []
        for axis in range(2):
            track = [frame[joint][axis] if frame[joint] else None for frame in body]
            step = difference(track)
            steps.append(step)
            window = int(0.25 * fps)
            velocity = trailing([None if d is None else d * fps for d in step], window)
            pushed = [None if d is None else d * fps for d in difference(velocity)]
            acceleration = trailing(pushed, window)
            for channel, values in ((0, track), (2, velocity), (4, acceleration)):
                for t in range(frames):
                    result[channel + axis][t][joint] = values[t]
        for t in range(frames):
            if steps[0][t] is not None:
                result[6][t][joint] = math.sqrt(steps[0][t] ** 2 + steps[1][t] ** 2)
    return result


def bridged(track: list) -> list:
    known = [t for t, value in enumerate(track) if value is not None]
    out = list(track)
    for t, value in enumerate(track):
        before = [k for k in known if k < t]
        after = [k for k in known if k > t]
        if value is None and before and after:
            a, b = before[-1], after[0]
            out[t] = track[a] + (track[b] - track[a]) * (t - a) / (b - a)
        elif value is None and before:
            out[t] = track[before[-1]]
    return out


def centred(track: list, window: int, summary) -> list:
    """An even window reaches one frame further back than forward."""
    out = [None] * len(track)
    for t in range(len(track)):
        start = t - window // 2
        values = track[start : start + window] if start >= 0 else []
        if len(values) == window and None not in values:
            out[t] = summary(values)
    return out


def trailing(track: list, window: int) -> list:
    out = [None] * len(track)
    for t in range(window - 1, len(track)):
        values = track[t - window + 1 : t + 1]
        if None not in values:
            out[t] = sum(values) / window
    return out


def difference(track: list) -> list:
    return [None] + [
        None if a is None or b is None else b - a for a, b in itertools.pairwise(track)
    ]


def levelled(frame: list) -> list:
    right_shoulder, left_shoulder, right_hip, left_hip = frame[2], frame[5], frame[8], frame[11]
    ends = (right_shoulder, left_shoulder, right_hip, left_hip)
    if any(value is None for point in ends for value in point):
        return [None] * len(frame)
    shoulders = middle(right_shoulder, left_shoulder)
    hips = middle(right_hip, left_hip)
    trunk = math.dist(shoulders, hips)
    out: list = [None] * len(frame)
    for half, origin, a, b, down in (
        (UPPER, shoulders, right_shoulder, left_shoulder, 0),
        (LOWER, hips, right_hip, left_hip, 1),
    ):
        angle = math.atan2(a[1] - b[1], a[0] - b[0])
        if angle < 0:
            angle += 2 * math.pi
        angle = math.pi - angle if angle < math.pi else 3 * math.pi - angle
        for joint in half:
            x, y = frame[joint]
            if x is None or y is None:
                continue
            x, y = x - origin[0], y - origin[1]
            out[joint] = (
                (math.cos(angle) * x - math.sin(angle) * y) / trunk,
                (math.sin(angle) * x + math.cos(angle) * y) / trunk + down,
            )
    return out


def middle(a: tuple, b: tuple) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
