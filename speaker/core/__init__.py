"""The deciding half of the speaker: pure, no I/O, no clock."""
