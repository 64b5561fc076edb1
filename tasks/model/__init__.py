"""The vocabulary: frozen types, units, rules and errors that every other module shares."""
