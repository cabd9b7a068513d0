"""Programs that live tests start inside network namespaces."""
