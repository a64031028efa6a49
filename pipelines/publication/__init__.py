"""The texts that are published beside the volumes."""
