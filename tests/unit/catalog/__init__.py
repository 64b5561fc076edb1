"""Mirrors tasks/catalog."""
