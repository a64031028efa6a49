"""The command line: options to settings to run to show."""
