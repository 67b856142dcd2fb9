"""`explain masquerade`: with which source address a pod's packet would leave, and why.

question    what is asked, and the packet that asks it; pure
reasons     why each rule of the list is, or is not, for the packet; pure
answer      the answer as objects and as text; pure
explainer   asks the programs, or the stack's routes where it masquerades
"""
