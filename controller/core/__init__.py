"""The deciding half of the controller: pure, no I/O, no clock."""
