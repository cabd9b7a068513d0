"""A whole cluster on one machine: network namespaces, real FRR, real programs, a Kubernetes API. Nothing imports it."""
