"""The ways back: what can be recovered, and from what."""
