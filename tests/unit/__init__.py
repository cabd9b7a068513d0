"""Tests without I/O; the folders mirror the packages."""
