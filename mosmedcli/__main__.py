"""Lets `python -m mosmedcli` be `mosmed`."""

from mosmedcli.begin import main

main()
