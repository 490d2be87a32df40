"""The map of a library: where its tracks lie, what their neighbourhoods are called, kept between runs.

`layout` computes positions, `words` what the model hears, `regions` the names; `build` puts them into a `document`,
which finds the tracks inside an outline, too; `kept` stores it, `keeper` computes it in the background.
"""
