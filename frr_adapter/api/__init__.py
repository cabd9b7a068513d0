"""The JSON of the `metallb.io` kinds as types: the one source from which decoding and the CRDs come."""
