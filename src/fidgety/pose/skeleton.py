"""Skeletons: named joints, bones, mirror pairs, body parts, and the graph partitions built on them.

Joints carry one vocabulary in every layout (``right_wrist``, ``mid_hip``), so that layouts are
matched by name and never by count or order. A layout is a small TOML file; the built-in ones lie in
``fidgety/pose/skeletons`` and a user's own has the same form.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError, PoseError
from fidgety.files import file_error

__all__ = [
    "BUILT_IN_SKELETONS",
    "MIDPOINTS",
    "PARTS",
    "Skeleton",
    "Strategy",
    "adjacency",
    "load_skeleton",
]

BUILT_IN_SKELETONS = ("openpose18", "body25", "body25b", "coco17", "halpe26", "blazepose33")
PARTS = ("head", "trunk", "right_arm", "left_arm", "right_leg", "left_leg")
# A joint that a layout lacks but two of its joints enclose: so OpenPose defines neck and mid-hip.
MIDPOINTS = {
    "neck": ("right_shoulder", "left_shoulder"),
    "mid_hip": ("right_hip", "left_hip"),
}
Strategy = Literal["uniform", "distance", "spatial"]


@dataclass(frozen=True)
class Skeleton:
    """A layout of named joints.

    Parameters
    ----------
    name : str
        Name of the layout, for example ``"openpose18"``.
    joints : tuple of str
        Joint names in the order of the layout's arrays, V of them, all different.
    bones : tuple of (str, str)
        Pairs (child, parent) of joint names.
    mirror_pairs : tuple of (str, str)
        Joints that change places when the image is mirrored.
    parts : dict of str to tuple of str
        Body part to its joints; every joint belongs to at most one part.
    center : str
        The joint from which the ``spatial`` partition measures distance.
    aliases : dict of str to str
        Other spellings of joint names to this layout's, compared without case or separators.

    Raises
    ------
    PoseError
        E305 if names repeat or a bone, pair, part, centre or alias names an unknown joint.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    mirror_pairs: tuple[tuple[str, str], ...]
    parts: dict[str, tuple[str, ...]] = field(hash=False)
    center: str
    aliases: dict[str, str] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        if not self.joints or len(set(self.joints)) != len(self.joints):
            raise _bad_skeleton(self.name, "joint names are missing or repeated")
        named = [joint for pair in (*self.bones, *self.mirror_pairs) for joint in pair]
        in_parts = [joint for part in self.parts.values() for joint in part]
        unknown = sorted({*named, *in_parts, self.center} - set(self.joints))
        if unknown:
            raise _bad_skeleton(self.name, f"not among its joints: {', '.join(unknown)}")
        strays = sorted(set(self.aliases.values()) - set(self.joints))
        if strays:
            raise _bad_skeleton(self.name, f"aliases of no joint: {', '.join(strays)}")
        if any(a == b for a, b in self.bones):
            raise _bad_skeleton(self.name, "a bone ends where it begins")
        paired = [joint for pair in self.mirror_pairs for joint in pair]
        if len(set(paired)) != len(paired) or len(set(in_parts)) != len(in_parts):
            raise _bad_skeleton(self.name, "a joint stands in two mirror pairs or two parts")

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def index(self) -> dict[str, int]:
        """Joint name to its row, 0 to V - 1."""
        return {joint: row for row, joint in enumerate(self.joints)}

    @cached_property
    def mirror_order(self) -> NDArray[np.intp]:
        """Permutation (V,) that puts each joint's mirror partner in its place."""
        order = np.arange(len(self))
        for a, b in self.mirror_pairs:
            order[self.index[a]], order[self.index[b]] = self.index[b], self.index[a]
        return order

    def rows(self, *names: str) -> NDArray[np.intp]:
        """Rows (len(names),) of the named joints; raises `PoseError` E306 if one is unknown."""
        missing = [name for name in names if name not in self.index]
        if missing:
            raise PoseError(
                "E306",
                f"Joint {', '.join(missing)} does not exist in skeleton {self.name}",
                remedy=f"Its joints are: {', '.join(self.joints)}",
            )
        return np.array([self.index[name] for name in names], dtype=np.intp)

    def joint_named(self, name: str) -> str | None:
        """Return the joint spelt otherwise (``RShoulder``, ``Right Shoulder``), or None."""
        return self._spellings.get(_bare(name))

    def part_of(self, joint: str) -> str | None:
        """The body part a joint belongs to, or None."""
        return next((part for part, joints in self.parts.items() if joint in joints), None)

    @cached_property
    def _spellings(self) -> dict[str, str]:
        spellings: dict[str, str] = {}
        for joint in self.joints:
            spellings[_bare(joint)] = joint
            side, _, rest = joint.partition("_")
            if side in ("left", "right") and rest:
                for form in (side[0] + rest, rest + side[0], rest + side):
                    spellings.setdefault(_bare(form), joint)
        for other, joint in self.aliases.items():
            spellings[_bare(other)] = joint
        return spellings

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON metadata; `Skeleton.from_dict` reads it back."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "bones": [list(bone) for bone in self.bones],
            "mirror_pairs": [list(pair) for pair in self.mirror_pairs],
            "parts": {part: list(joints) for part, joints in self.parts.items()},
            "center": self.center,
            "aliases": dict(self.aliases),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any], source: object = "skeleton") -> Skeleton:
        """Build a skeleton from its plain form (a parsed TOML or JSON object).

        Raises
        ------
        PoseError
            E305 if a key is missing, unknown or of the wrong kind.
        """
        known = {"name", "joints", "bones", "mirror_pairs", "parts", "center", "aliases"}
        unknown = sorted(set(content) - known)
        missing = sorted({"name", "joints", "bones"} - set(content))
        if unknown or missing:
            problem = f"unknown key {unknown[0]!r}" if unknown else f"no key {missing[0]!r}"
            raise _bad_skeleton(source, problem)
        for key in ("joints", "bones", "mirror_pairs"):
            if not isinstance(content.get(key, []), list | tuple):
                raise _bad_skeleton(source, f"{key} is not a list")
        try:
            joints = tuple(str(joint) for joint in content["joints"])
            pairs = content.get("mirror_pairs")
            return cls(
                name=str(content["name"]),
                joints=joints,
                bones=tuple((str(a), str(b)) for a, b in content["bones"]),
                mirror_pairs=_pairs_by_name(joints)
                if pairs is None
                else tuple((str(a), str(b)) for a, b in pairs),
                parts={str(k): tuple(map(str, v)) for k, v in content.get("parts", {}).items()},
                center=str(content.get("center", joints[0] if joints else "")),
                aliases={str(k): str(v) for k, v in content.get("aliases", {}).items()},
            )
        except (TypeError, ValueError, AttributeError) as error:
            if isinstance(error, PoseError):
                raise
            raise _bad_skeleton(source, str(error)) from error


def load_skeleton(name: str | Path) -> Skeleton:
    """A built-in skeleton by name, or a user's own from a TOML file.

    Parameters
    ----------
    name : str or Path
        One of `BUILT_IN_SKELETONS`, or the path of a TOML file with the keys ``name``, ``joints``,
        ``bones`` and, if wanted, ``mirror_pairs`` (default: by ``left_`` and ``right_``),
        ``parts``, ``center`` and ``aliases``.

    Raises
    ------
    PoseError
        E304 if there is no such skeleton, E305 if the file does not describe one.
    FileError
        E502 or E503 if the file cannot be read.
    """
    if str(name) in BUILT_IN_SKELETONS:
        return _built_in(str(name))
    path = Path(name)
    if path.suffix != ".toml" or not path.is_file():
        raise PoseError(
            "E304",
            f"No skeleton named {str(name)!r}",
            remedy=f"Choose one of {', '.join(BUILT_IN_SKELETONS)} or give your own .toml file",
        )
    try:
        return Skeleton.from_dict(tomllib.loads(path.read_text("utf-8")), path)
    except (ValueError, RecursionError) as error:
        raise _bad_skeleton(path, str(error)) from error
    except OSError as error:
        raise file_error(error, path) from error


@lru_cache(maxsize=len(BUILT_IN_SKELETONS))
def _built_in(name: str) -> Skeleton:
    text = resources.files("fidgety.pose").joinpath(f"skeletons/{name}.toml").read_text("utf-8")
    return Skeleton.from_dict(tomllib.loads(text), name)


def adjacency(
    skeleton: Skeleton, strategy: Strategy = "uniform", max_hop: int = 3, dilation: int = 1
) -> NDArray[np.float64]:
    """Normalised adjacency of each graph partition, as in ST-GCN.

    Joints up to `max_hop` bones apart (every `dilation`-th distance) are neighbours. Columns are
    normalised by degree, ``A D^-1``, then divided among the partitions of `strategy`.

    Parameters
    ----------
    skeleton : Skeleton
        Layout with V joints.
    strategy : {"uniform", "distance", "spatial"}
        One partition for all neighbours; one for each distance; or, for each distance, neighbours
        as near to or farther from the centre against nearer ones.
    max_hop, dilation : int
        Largest distance in bones, and its step; both at least 1.

    Returns
    -------
    ndarray (P, V, V), float64
        P = 1, hops + 1, or 2 * hops + 1 for the three strategies.

    Raises
    ------
    ConfigError
        E703 for an unknown strategy or a value below 1.

    References
    ----------
    Yan, Xiong, Lin 2018, arXiv 1801.07455, section 3.4.
    """
    whole = isinstance(max_hop, int) and isinstance(dilation, int)
    if strategy not in ("uniform", "distance", "spatial") or not (
        whole and max_hop >= 1 and dilation >= 1
    ):
        raise ConfigError(
            "E703",
            f"Impossible graph: strategy {strategy!r}, max_hop {max_hop}, dilation {dilation}",
            remedy="Use uniform, distance or spatial, and whole numbers from 1",
        )
    distance = _bone_distances(skeleton, max_hop)  # (V, V)
    hops = range(0, max_hop + 1, dilation)
    linked = np.isin(distance, list(hops)).astype(float)
    normalised = linked / linked.sum(axis=0)  # self loops keep every column sum at 1 or more
    if strategy == "uniform":
        return normalised[None]
    by_hop = [np.where(distance == hop, normalised, 0.0) for hop in hops]
    if strategy == "distance":
        return np.stack(by_hop)
    to_center = distance[:, skeleton.index[skeleton.center]]
    farther = to_center[:, None] > to_center[None, :]  # row joint farther out than column joint
    level = to_center[:, None] == to_center[None, :]
    partitions = [by_hop[0]]
    for ring in by_hop[1:]:
        partitions += [np.where(level | farther, ring, 0.0), np.where(level | farther, 0.0, ring)]
    return np.stack(partitions)


def _bone_distances(skeleton: Skeleton, max_hop: int) -> NDArray[np.float64]:
    """Fewest bones between two joints (V, V); inf where more than `max_hop`."""
    size = len(skeleton)
    step = np.eye(size, dtype=bool)
    for a, b in skeleton.bones:
        i, j = skeleton.index[a], skeleton.index[b]
        step[i, j] = step[j, i] = True
    distance = np.full((size, size), np.inf)
    reached = np.eye(size, dtype=bool)
    for hop in range(max_hop + 1):
        distance[reached & np.isinf(distance)] = hop
        reached = (reached.astype(int) @ step.astype(int)) > 0
    return distance


def _pairs_by_name(joints: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    rights = [joint for joint in joints if joint.startswith("right_")]
    return tuple((r, "left_" + r[6:]) for r in rights if "left_" + r[6:] in joints)


def _bare(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def _bad_skeleton(where: object, why: str) -> PoseError:
    return PoseError(
        "E305",
        "Not a skeleton",
        where=where,
        why=why,
        remedy="Give name, joints, bones and, if wanted, mirror_pairs, parts, center and aliases",
    )
