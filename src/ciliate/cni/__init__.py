"""The agent's side of the CNI conversation: requests in, results out (CNI specification 1.1.0).

A request travels: runtime -> `ciliate-cni` (plugin/) -> `server` -> `request` -> the agent's
backend -> `result` -> back the same way. What happens to the pod is the backend's to decide.
"""
