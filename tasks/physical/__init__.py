"""Physical copies of a cluster: recognised, unpacked safely, read before they run, and started harmless."""
