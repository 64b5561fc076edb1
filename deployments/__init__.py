"""Who is drilled and when: fleet files, deployments, and the command line."""
