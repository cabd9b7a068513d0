"""The operator's command: thin shells over pure functions of the floors below."""
