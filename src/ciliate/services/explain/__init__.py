"""`explain service`: which endpoint a client would get, and why no other.

answer      the question and the answer as objects; pure
question    which Service and port are meant; pure
judging     what the API says of endpoints, beside what the maps hold; pure
callers     who asks: of this node, or from outside
explainer   reads the maps and answers
"""
