"""What the operator's command works out: pure, from values alone, with the programs' own functions."""
