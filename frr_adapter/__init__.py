"""frr-adapter: what the controller and the speaker share. Floors are described in docs/house.md and checked by import-linter."""
