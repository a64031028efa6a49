"""Lets `python -m mosmedcli` be `mosmed`."""

from mosmedcli.main import main

main()
