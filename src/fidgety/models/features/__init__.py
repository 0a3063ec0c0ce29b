"""Engineered features of a recording, each with a name, a unit, a meaning and its source."""

from fidgety.models.features.chambers import CHAMBERS, CHAMBERS_SIDES
from fidgety.models.features.feature import Feature, FeatureSet, Movement
from fidgety.models.features.fidgetyfind import FIDGETYFIND
from fidgety.models.features.mccay import MCCAY
from fidgety.models.features.rahmati import RAHMATI
from fidgety.models.features.speeds import QUANTILES

__all__ = ["SETS", "Feature", "FeatureSet", "Movement"]

SETS: dict[str, FeatureSet] = {
    "chambers": CHAMBERS,
    "chambers-sides": CHAMBERS_SIDES,
    "mccay": MCCAY,
    "rahmati": RAHMATI,
    "fidgetyfind": FIDGETYFIND,
    "quantiles": QUANTILES,
}
