"""What the controller does to the world beyond the shared boundary."""
