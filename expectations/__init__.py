"""What must hold: the data team's suites, how they are loaded and how they are run."""
