"""Tests: frr_adapter."""
