"""What the speaker does to the world beyond the shared boundary: frames, links, FRR."""
