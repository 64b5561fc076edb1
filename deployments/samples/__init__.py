"""Sample databases of different shape, made by code: for the demo, the tests and the bench."""

from deployments.samples import billing, library, orders, tickets
from deployments.samples.sample import Sample, build_sample, live_a_day

SAMPLES: tuple[Sample, ...] = (orders.SAMPLE, library.SAMPLE, tickets.SAMPLE, billing.SAMPLE)
"""The demo's fleet, in the order in which it is shown."""

__all__ = ["SAMPLES", "Sample", "build_sample", "live_a_day"]
