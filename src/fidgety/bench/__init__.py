"""How fast each part is on this machine, beside its plain form and the machine's own limits."""

from fidgety.bench.growth import draw_growth
from fidgety.bench.roofline import draw
from fidgety.bench.run import bench, table

__all__ = ["bench", "draw", "draw_growth", "table"]
