"""The answers of the commands as types: what `-o json` prints, and what the published schemas are derived from."""
