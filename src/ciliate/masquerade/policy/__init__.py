"""MasqueradePolicy: rules of the masquerade list that people write as objects of the API.

errors      why an object is refused
selectors   whether a label selector can be one; pure
read        an object as rules; pure
book        all objects, the rules they make together, and what is refused; pure
classes     which rules select which pods of the node; pure
watch       keeps them in force as they change
local_pods  the labels of the pods of this node, and pools of their addresses
admission   a new pod's ADD waits until rules decide for its packets
"""
