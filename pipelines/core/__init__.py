"""Domain types, settings, errors, geometry and rules: pure, no input or output."""
