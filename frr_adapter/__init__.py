"""frr-adapter: what the controller and the speaker share. Floors are described in docs/house.md and checked by import-linter."""

__version__ = "0.1.0"
"""The one place that says it: packages and image ask here, and the chart has the same (`appVersion`)."""
