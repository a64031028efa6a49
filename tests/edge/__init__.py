"""Small CT series that converters get wrong, each with its truth; made from a real chest series.

The truth is written down while a case is made: the place and the Hounsfield units of each slice.
No code of the project's conversion has a part in it.
"""
