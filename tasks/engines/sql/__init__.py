"""Reading the SQL of dumps: split into statements, told apart, never run."""
