"""What a drill leaves behind: findings become a verdict, verdicts evidence, evidence a report."""
