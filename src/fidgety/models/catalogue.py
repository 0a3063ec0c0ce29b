"""The networks by their names, as files and settings name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fidgety.errors import CheckpointError
from fidgety.models.additive import Additive
from fidgety.models.clip_transformer import ClipTransformer
from fidgety.models.clipwise import STGCN, TemporalCNN, TopClips
from fidgety.models.network import Network, NetworkSettings
from fidgety.models.stam import STAM

__all__ = ["MODELS", "at_rate", "build_network", "name_of", "settings_from", "settings_to_plain"]

MODELS: dict[str, type[Network]] = {
    "stam": STAM,
    "additive": Additive,
    "st-gcn": STGCN,
    "temporal-cnn": TemporalCNN,
    "top-clips": TopClips,
    "clip-transformer": ClipTransformer,
}


def build_network(settings: NetworkSettings) -> Network:
    """A new network with initial weights from torch's current seed."""
    return MODELS[name_of(settings)](settings)


def name_of(settings: NetworkSettings) -> str:
    """The name of the network that these settings are of; raises `CheckpointError` E408."""
    for name, kind in MODELS.items():
        if type(settings) is kind.config_type:
            return name
    raise _unknown(type(settings).__name__)


def settings_to_plain(settings: NetworkSettings) -> dict[str, Any]:
    """Plain form for JSON, with the network's name."""
    return {"name": name_of(settings), **settings.to_dict()}


def settings_from(content: Mapping[str, Any], name: str | None = None) -> NetworkSettings:
    """Settings from their plain form.

    Parameters
    ----------
    content : mapping
        As from `settings_to_plain`, or without the name.
    name : str, optional
        The network, where the content does not name it; ``stam`` if nothing does.

    Raises
    ------
    CheckpointError
        E408 if there is no such network.
    ConfigError
        E701, E702 for unknown or impossible settings.
    """
    content = dict(content)
    chosen = content.pop("name", name or "stam")
    if chosen not in MODELS:
        raise _unknown(chosen)
    return MODELS[chosen].config_type.from_dict(content)


def at_rate(settings: NetworkSettings, fps: float) -> NetworkSettings:
    """Settings for clips at a frame rate: networks that look at frequencies must know it.

    To a thousandth of a frame per second: rates from timestamps carry rounding errors.
    """
    if "fps" not in settings.__dataclass_fields__:
        return settings
    return replace(settings, fps=round(float(fps), 3))  # type: ignore[type-var]


def _unknown(name: object) -> CheckpointError:
    return CheckpointError(
        "E408",
        f"No model named {name!r}",
        remedy=f"This version knows {', '.join(MODELS)}; update fidgety if it is newer",
    )
