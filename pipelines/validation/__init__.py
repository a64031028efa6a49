"""Checks of a published folder, whoever made it: nothing is written, and no value is ever told."""
