"""FRR without I/O: the configuration as a value, its text, and what `show` commands answer."""
