"""Findings to verdict to evidence to report."""
