"""The stages of dataset formation, and what they are built of."""
