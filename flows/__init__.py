"""In which order the steps of a drill run, and what a failure means."""
