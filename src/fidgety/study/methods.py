"""What can be trained and compared, by name: a profile, and a network or a classifier on top."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError, StudyError
from fidgety.models import rivals
from fidgety.models.additive import AdditiveConfig
from fidgety.models.clip_transformer import ClipTransformerConfig
from fidgety.models.clipwise import (
    STGCNConfig,
    TemporalCNNConfig,
    TopClipsConfig,
)
from fidgety.models.features import SETS
from fidgety.models.network import NetworkSettings
from fidgety.models.quantiles import MeanSpeed, QuantileRegression
from fidgety.models.stam import STAMConfig
from fidgety.motion import ClipConfig, WindowConfig
from fidgety.study.augment import Augmentation
from fidgety.study.training import NetworkConfig, TrainingConfig

__all__ = [
    "METHODS",
    "Classifier",
    "Method",
    "method_named",
    "names_in",
    "network_method",
    "settings_of",
]

Sequences = list[NDArray[np.floating]]


class Classifier(Protocol):
    """A plain classifier of whole recordings."""

    def fit(self, sequences: Sequences, labels: NDArray[np.integer]) -> Classifier:
        """Fit to sequences (7, T, V) and labels (N,)."""
        ...

    def risk(self, sequences: Sequences) -> NDArray[np.float64]:
        """Uncalibrated risk (N,)."""
        ...


@dataclass(frozen=True)
class Method:
    """One way from poses to a risk.

    Parameters
    ----------
    about : str
        What it is and where it comes from.
    profile : str
        Preprocessing.
    network : NetworkConfig or None
        Network and its training, or None for a plain classifier.
    classifier : callable or None
        Makes an unfitted classifier.
    candidates : dict of str to Method, optional
        Settings of this method among which the training part chooses by inner cross-validation;
        the method's own settings are then used only where nothing can be chosen.
    """

    about: str
    profile: str
    network: NetworkConfig | None = None
    classifier: Callable[[], Classifier] | None = None
    candidates: Mapping[str, Method] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """All that decides what it does, in a plain form: results of another form are others."""
        content = {
            "profile": self.profile,
            "network": None if self.network is None else self.network.to_dict(),
            "classifier": settings_of(self.classifier),
            "candidates": {name: choice.to_dict() for name, choice in self.candidates.items()},
        }
        return json.loads(json.dumps(content))


def settings_of(made: object) -> Any:
    """What a maker of classifiers was told, for JSON: names of classes, their arguments, defaults.

    Values that are neither plain nor callable are known by their type and, if they have one, name.
    """
    if made is None or isinstance(made, bool | int | float | str):
        return made
    if isinstance(made, partial):
        given = {str(k): settings_of(v) for k, v in made.keywords.items()}
        told = [settings_of(value) for value in made.args]
        return {**settings_of(made.func), "given": [*told, given]}
    if isinstance(made, Mapping):
        return {str(key): settings_of(value) for key, value in made.items()}
    if isinstance(made, tuple | list):
        return [settings_of(value) for value in made]
    if callable(made):
        name = getattr(made, "__qualname__", type(made).__name__)
        usual = {
            key: settings_of(entry.default)
            for key, entry in signature(made).parameters.items()
            if entry.default is not entry.empty
        }
        return {"made_by": name, "usual": usual}
    return {"of": type(made).__name__, "name": str(getattr(made, "name", ""))}


# Steps for which a network is trained however few the infants are; with fewer, some networks stayed
# as good as untrained on 160 infants (docs/results.md).
STEPS = 400


def _small(
    model: NetworkSettings,
    *,
    max_epoch: int,
    min_steps: int = STEPS,
    clips: int,
    clip: ClipConfig | None = None,
    lr: float = 3e-3,
    weight_decay: float = 0.05,
) -> NetworkConfig:
    """A small network and its training: a few random clips of each recording an epoch."""
    return NetworkConfig(
        model=model,
        clip=clip or ClipConfig(),
        training=TrainingConfig(
            max_epoch=max_epoch,
            min_steps=min_steps,
            batch_size=16,
            lr=lr,
            weight_decay=weight_decay,
            optimizer="adamw",
            schedule="cosine",
            clips_per_window=clips,
            augmentation=Augmentation(mirror=True),
        ),
    )


METHODS: dict[str, Method] = {
    "fidgety": Method(
        "Ours: attention over joints and clips of evidence that sums to the logit: "
        "fidgety movements that are absent, or exaggerated, by their power in bands",
        "fidgety",
        network=NetworkConfig(
            model=AdditiveConfig(exaggeration=2.0),
            clip=ClipConfig(2.0, 2 / 3),
            training=TrainingConfig(
                max_epoch=15,
                min_steps=STEPS,
                batch_size=16,
                lr=1e-2,
                weight_decay=0.05,
                optimizer="adamw",
                schedule="cosine",
                select="last",
                clips_per_window=20,
                augmentation=Augmentation(scale=0.3, joint_dropout=0.1),
            ),
        ),
    ),
    "stam": Method(
        "STAM (Nguyen-Thai 2021) in a size for small studies, on the fidgety profile",
        "fidgety",
        network=NetworkConfig(
            model=STAMConfig(
                widths=(16, 32),
                z_dim=32,
                alpha_dim=16,
                beta_dim=16,
                masking=True,
                compress=True,
                pool="mean_std",
            ),
            training=TrainingConfig(
                max_epoch=40,
                min_steps=STEPS,
                batch_size=16,
                lr=2e-3,
                weight_decay=0.05,
                optimizer="adamw",
                schedule="cosine",
                clips_per_window=12,
                augmentation=Augmentation(mirror=True),
            ),
        ),
    ),
    "stam-profile": Method(
        "The network and training of `stam` on the published preprocessing",
        "stam",
    ),
    "stam-published": Method(
        "STAM with the settings, preprocessing and maximum rule as published (Nguyen-Thai 2021)",
        "stam",
        network=NetworkConfig(
            clip=ClipConfig(1.0, 2 / 3),
            window=WindowConfig(1000 / 30, 200 / 30),
            aggregation="max",
            training=TrainingConfig(balance=False),
        ),
    ),
    "quantiles": Method(
        "Logistic regression on quantiles of speed and acceleration of each joint",
        "fidgety",
        classifier=QuantileRegression,
    ),
    "mean-speed": Method(
        "Logistic regression on the mean speed of all joints",
        "fidgety",
        classifier=MeanSpeed,
    ),
    "chambers-bayes": Method(
        "Naive Bayesian surprise over 42 kinematic features, as published (Chambers 2020)",
        "stam",
        classifier=rivals.Surprise,
    ),
    "chambers": Method(
        "Regularised logistic regression on the 42 kinematic features of Chambers 2020",
        "stam",
        classifier=partial(
            rivals.FeatureClassifier, SETS["chambers"], partial(rivals.regularised, 0.03)
        ),
    ),
    "chambers-fidgety": Method(
        "Regularised logistic regression on the features of Chambers 2020, on the fidgety profile",
        "fidgety",
        classifier=partial(
            rivals.FeatureClassifier, SETS["chambers"], partial(rivals.regularised, 0.03)
        ),
    ),
    "mccay": Method(
        "Logistic regression on the pose histograms HOJO2D and HOJD2D of McCay 2019 and 2020",
        "fidgety",
        classifier=partial(
            rivals.FeatureClassifier,
            SETS["mccay"],
            partial(rivals.regularised, 0.03),
            prefixes=("mccay_hojo_", "mccay_hojd_"),
        ),
    ),
    "mccay-fusion": Method(
        "Boosted trees on HOJO2D, HOJD2D, FFT-JO and FFT-JD (McCay 2022)",
        "fidgety",
        classifier=partial(rivals.FeatureClassifier, SETS["mccay"], rivals.boosted),
    ),
    "rahmati": Method(
        "Frequency features, few selected by false discovery rate (after Rahmati 2016)",
        "fidgety",
        classifier=partial(rivals.FeatureClassifier, SETS["rahmati"], rivals.discovered),
    ),
    "fidgetyfind": Method(
        "Logistic regression on FidgetyFind's direction entropies (Morais 2023)",
        "fidgety",
        classifier=partial(
            rivals.FeatureClassifier, SETS["fidgetyfind"], partial(rivals.regularised, 0.1)
        ),
    ),
    "st-gcn": Method(
        "ST-GCN without attention, small: means over joints, frames and clips (Yan 2018)",
        "fidgety",
        network=_small(STGCNConfig(), max_epoch=12, clips=6),
    ),
    "temporal-cnn": Method(
        "Convolutions over time, all joints as channels (in the manner of Passmore 2024)",
        "fidgety",
        network=_small(TemporalCNNConfig(), max_epoch=30, clips=12),
    ),
    "wo-gma": Method(
        "Clip-wise multiple-instance network, mean of the best eighth of clips (after Luo 2022)",
        "fidgety",
        network=_small(TopClipsConfig(), max_epoch=12, min_steps=2 * STEPS, clips=6),
    ),
    "mam": Method(
        "Transformer over joints and time, attention over clips (after MAM, Gao 2023, main branch)",
        "fidgety",
        network=_small(
            ClipTransformerConfig(patch=5, dropout=0.1),
            max_epoch=24,
            clips=3,
            clip=ClipConfig(3.0, 1.5),
            lr=2e-3,
            weight_decay=0.01,
        ),
    ),
}
METHODS["stam-profile"] = Method(
    METHODS["stam-profile"].about, "stam", network=METHODS["stam"].network
)


def method_named(name: str) -> Method:
    """The method of that name; raises `ConfigError` E705 for an unknown one."""
    if name not in METHODS:
        raise ConfigError(
            "E705", f"No model named {name!r}", remedy=f"Choose from {', '.join(METHODS)}"
        )
    return METHODS[name]


def network_method(name: str) -> tuple[Method, NetworkConfig]:
    """The method of that name and its network.

    Raises
    ------
    ConfigError
        E705 for an unknown one.
    StudyError
        E277 for one that is no network.
    """
    chosen = method_named(name)
    if chosen.network is None:
        networks = [key for key, value in METHODS.items() if value.network is not None]
        raise StudyError(
            "E277",
            f"{name} is no network",
            remedy=f"Train one of {', '.join(networks)}, or compare it with: fidgety cv",
        )
    return chosen, chosen.network


def names_in(text: str) -> list[str]:
    """Names of methods in a list by commas.

    ``all`` stands for every one, ``plain`` for those without a network; either adds what is not yet
    named. Names are not checked here.
    """
    groups = {
        "all": list(METHODS),
        "plain": [name for name, method in METHODS.items() if method.network is None],
    }
    given = [name.strip() for name in text.split(",") if name.strip()]
    found: list[str] = []
    for name in given:
        found += [one for one in groups.get(name, []) if one not in found]
        found += [] if name in groups else [name]
    return found
