"""Tests: boundary."""
