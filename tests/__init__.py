"""Tests of the project; `build` makes values for all of them."""
