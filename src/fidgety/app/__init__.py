"""The review app: a folder of recordings, readers who rate them, and a log that keeps every word.

Below it stands the main path (`fidgety.assess`) and the report, whose drawings it shows. Nothing
leaves the machine; the browser loads nothing from elsewhere.
"""

from __future__ import annotations

from fidgety.app.audit import Fault, verify
from fidgety.app.store import Store

__all__ = ["Fault", "Store", "verify"]
