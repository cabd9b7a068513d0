"""A small Kubernetes API in memory, for the lab and the tests; see docs/lab-api.md."""
