"""One module per command: options in, a document or an exit status out. No deciding, no reading of its own."""
