"""Simulated infants with known fidgety movements: a test bench, not a substitute for infants."""

from fidgety.simulate.camera import CameraConfig
from fidgety.simulate.cohort import (
    DIFFICULTIES,
    Difficulty,
    SimulatedRecording,
    SimulationConfig,
    simulate_cohort,
    simulate_infant,
)
from fidgety.simulate.film import film_pictures, film_scale, write_film
from fidgety.simulate.folder import simulate_study
from fidgety.simulate.movement import MovementConfig, Pattern
from fidgety.simulate.tracker import TrackerConfig

__all__ = [
    "DIFFICULTIES",
    "CameraConfig",
    "Difficulty",
    "MovementConfig",
    "Pattern",
    "SimulatedRecording",
    "SimulationConfig",
    "TrackerConfig",
    "film_pictures",
    "film_scale",
    "simulate_cohort",
    "simulate_infant",
    "simulate_study",
    "write_film",
]
