"""Raw JSON stops here: each function turns one API object into one frozen value of `model`, or into problems."""
