"""`python -m lab`: the lab's command line. Only wiring."""

from lab.main import app

app()
