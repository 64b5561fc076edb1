"""One drill: the process that its steps run in, what they tell while they run, and how it is stopped."""
