"""Images and reports as vectors: one interface for every encoder, and a cache for frozen ones."""
