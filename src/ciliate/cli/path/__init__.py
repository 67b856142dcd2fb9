"""`explain path`: the way of a packet, on its node, at the other end, and back.

On each node `tables` reads what the kernel holds now (maps, routes, links, neighbours), `departure`
follows a packet through it as the programs do, and `receipt` says what becomes of what arrives. In
the cluster `inquiry` asks both ends, `journey` puts their answers together, and `every_pair` does so
for all nodes. `model` is what is answered, `text` how people read it; `here` and `command` are the
commands.
"""
