"""Adapters to what is outside: RIS and PACS."""
