"""The commands: parse, ask, render. What they print is made by pure functions beside them."""
