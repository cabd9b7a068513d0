"""Where the operator's command reads and asks: files, bundles, the Kubernetes API, nodes."""
