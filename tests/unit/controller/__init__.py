"""The deciding half of the controller."""
