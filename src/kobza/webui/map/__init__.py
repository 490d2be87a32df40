"""The map of a library: where its tracks lie, what their neighbourhoods are called, kept between runs.

`layout` computes positions, `words` what the model hears, `regions` the names, `document` joins them, `kept` stores the
result, `keeper` computes it in the background, `selection` finds the tracks inside a drawn outline.
"""
