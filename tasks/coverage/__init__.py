"""Which databases a drill has verified lately, and which nobody drills: fleet files and evidence tell."""
