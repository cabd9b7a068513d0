"""The objects of the cluster as frozen values: only the fields we use. Made by `decode`, read by `resolve` and the cores."""
