"""The drill, drilled: damage done to copies, and whether the drill sees it."""
