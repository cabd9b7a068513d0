"""Tests: speaker."""
