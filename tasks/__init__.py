"""What a drill does: one retryable step per module, in drill order; the domain code below them."""
