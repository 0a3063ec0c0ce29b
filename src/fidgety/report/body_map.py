"""The infant's body, twice: the weight the network gave each joint, and how much it moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from fidgety.pose.skeleton import BUILT_IN_SKELETONS, load_skeleton
from fidgety.report.svg import cividis, drawing, el
from fidgety.report.words import fixed, joint_words

__all__ = ["SCHEMATIC", "draw_body", "places"]

WIDTH, HEIGHT, MARGIN = 440.0, 450.0, 112.0
NAMED = 4  # joints with the largest values carry their name; the table has all
LETTER = 7.0  # width of a letter of a name, roughly: a leader begins beside the text

Point = tuple[float, float]

# A supine infant seen from above, its right on the left of the image; trunk lengths, y down.
SCHEMATIC: dict[str, Point] = {
    "nose": (0.0, -0.46), "head_top": (0.0, -0.75), "neck": (0.0, 0.0), "mid_hip": (0.0, 1.0),
    "right_eye": (-0.09, -0.54), "left_eye": (0.09, -0.54),
    "right_ear": (-0.23, -0.47), "left_ear": (0.23, -0.47),
    "right_shoulder": (-0.34, 0.04), "left_shoulder": (0.34, 0.04),
    "right_elbow": (-0.68, 0.22), "left_elbow": (0.68, 0.22),
    "right_wrist": (-0.72, -0.22), "left_wrist": (0.72, -0.22),
    "right_hip": (-0.2, 1.0), "left_hip": (0.2, 1.0),
    "right_knee": (-0.56, 1.34), "left_knee": (0.56, 1.34),
    "right_ankle": (-0.38, 1.84), "left_ankle": (0.38, 1.84),
    "right_big_toe": (-0.46, 2.04), "left_big_toe": (0.46, 2.04),
}  # fmt: skip


def places(joints: Sequence[dict[str, Any]]) -> tuple[dict[str, Point], bool]:
    """Where each joint is drawn, and whether that is where it was measured.

    The mean positions of the recording are used if at least three joints have one and they have an
    extent; otherwise the joints that `SCHEMATIC` knows stand in a drawn, not a measured, pose.

    Returns
    -------
    dict of str to (float, float)
        Joint to position, in trunk lengths, y down.
    bool
        True if measured.
    """
    measured = {j["name"]: j["position"] for j in joints if j["name"] and j["position"]}
    heights = [y for _, y in measured.values()]
    if len(measured) >= 3 and max(heights) - min(heights) > 0.2:
        return measured, True
    return {j["name"]: SCHEMATIC[j["name"]] for j in joints if j["name"] in SCHEMATIC}, False


def draw_body(
    joints: Sequence[dict[str, Any]], quantity: str, title: str, unit: str, scale: float = 1.0
) -> Markup | None:
    """The body with one circle for each joint: the larger and yellower, the larger the value.

    Parameters
    ----------
    joints : sequence of dict
        The ``joints`` of a complete assessment.
    quantity : {"attention", "movement"}
        Which value is shown.
    title, unit : str
        Title of the drawing and the unit of its values.
    scale : float
        Values are divided by it before they are written, as with an even share of attention.

    Returns
    -------
    Markup or None
        None if no joint has both a place and a value.
    """
    where, _ = places(joints)
    values = {
        j["name"]: j[quantity] / scale
        for j in joints
        if j["name"] in where and j[quantity] is not None
    }
    if not values:
        return None
    spots = _fitted(where)
    most = max(values.values()) or 1.0
    order = sorted(values, key=lambda joint: values[joint], reverse=True)
    circles = [_circle(joint, spots[joint], values[joint], most, unit) for joint in order]
    leaders, names = _names(order[:NAMED], spots, values)
    told = "Largest: " + ", ".join(
        f"{joint_words(joint)} {fixed(values[joint])}" for joint in order[:NAMED]
    )
    return drawing(
        f"body-{quantity}", title, f"{told} {unit}. The table below has every joint.",
        (WIDTH, HEIGHT), _figure(spots), *leaders, *circles, *names,
    )  # fmt: skip


def _fitted(where: dict[str, Point]) -> dict[str, Point]:
    """Positions in the drawing's own units, as large as fits, proportions kept."""
    xs, ys = zip(*where.values(), strict=True)
    wide, tall = max(xs) - min(xs), max(ys) - min(ys)
    zoom = min((WIDTH - 2 * MARGIN) / max(wide, 1e-6), (HEIGHT - 104) / max(tall, 1e-6))
    middle = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
    return {
        joint: (WIDTH / 2 + (x - middle[0]) * zoom, HEIGHT / 2 + 12 + (y - middle[1]) * zoom)
        for joint, (x, y) in where.items()
    }


def _figure(spots: dict[str, Point]) -> Markup:
    """A soft body behind the circles: thick limbs, a trunk, a head."""
    skeletons = [load_skeleton(name) for name in BUILT_IN_SKELETONS]
    layout = max(skeletons, key=lambda s: (len(spots.keys() & set(s.joints)), -len(s)))
    corners = ("right_shoulder", "left_shoulder", "left_hip", "right_hip")
    shapes = []
    face = {"nose", "right_eye", "left_eye", "right_ear", "left_ear", "head_top"}
    for a, b in layout.bones:
        if a in spots and b in spots and not {a, b} & face:
            (x1, y1), (x2, y2) = spots[a], spots[b]
            shapes.append(el("line", class_="limb", x1=x1, y1=y1, x2=x2, y2=y2))
    if all(corner in spots for corner in corners):
        outline = " ".join(f"{spots[c][0]:.1f},{spots[c][1]:.1f}" for c in corners)
        shapes.append(el("polygon", class_="trunk", points=outline))
    head = [spots[joint] for joint in spots if joint in face]
    if head:
        cx, cy = (sum(axis) / len(head) for axis in zip(*head, strict=True))
        if "neck" in spots:
            (x2, y2) = spots["neck"]
            shapes.append(el("line", class_="limb", x1=cx, y1=cy, x2=x2, y2=y2))
        shapes.append(el("circle", class_="head", cx=cx, cy=cy - 4, r=_head_radius(spots)))
    return el("g", *shapes, class_="figure")


def _head_radius(spots: dict[str, Point]) -> float:
    ears = [spots[j] for j in ("right_ear", "left_ear") if j in spots]
    shoulders = [spots[j] for j in ("right_shoulder", "left_shoulder") if j in spots]
    if len(ears) == 2:
        return min(max(math.dist(*ears) * 0.62, 26.0), 60.0)
    return min(max(math.dist(*shoulders) * 0.4, 26.0), 60.0) if len(shoulders) == 2 else 36.0


def _circle(joint: str, spot: Point, value: float, most: float, unit: str) -> Markup:
    share = max(value, 0.0) / most if most > 0 else 0.0
    return el(
        "circle",
        el("title", f"{joint_words(joint)}: {fixed(value)} {unit}"),
        class_="joint",
        cx=spot[0],
        cy=spot[1],
        r=4 + 15 * math.sqrt(share),
        fill=cividis(share),
    )


def _names(
    order: Sequence[str], spots: dict[str, Point], values: dict[str, float]
) -> tuple[list[Markup], list[Markup]]:
    """Leaders to the joints, and names at the edge on the joint's own side, kept apart."""
    leaders, names = [], []
    for right in (False, True):
        side = sorted((j for j in order if (spots[j][0] > WIDTH / 2) is right),
                      key=lambda joint: spots[joint][1])  # fmt: skip
        free_from = 16.0
        for joint in side:
            (x, y), text = spots[joint], joint_words(joint)
            at = min(max(y - 4, free_from), HEIGHT - 24)
            free_from = at + 46
            edge, anchor = (WIDTH - 2, "end") if right else (2.0, "start")
            reach = 8 + LETTER * len(text)
            inner = edge - reach if right else edge + reach
            leaders.append(
                el("path", class_="leader", d=f"M{inner:.0f} {at - 4:.1f}L{x:.1f} {y:.1f}")
            )
            names += [
                el("text", text, class_="label", x=edge, y=at, text_anchor=anchor),
                el("text", fixed(values[joint]), class_="tick", x=edge, y=at + 16,
                   text_anchor=anchor),
            ]  # fmt: skip
    return leaders, names
