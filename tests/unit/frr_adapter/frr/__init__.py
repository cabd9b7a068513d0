"""Tests: frr."""
