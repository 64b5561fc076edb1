"""Throwaway clusters, the PostgreSQL builds they run, and the runner for PostgreSQL's tools."""
