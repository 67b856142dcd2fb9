"""The operator's part of endpoints: CiliumEndpoints whose pod is gone are deleted.

Their agent does so itself, unless its node is gone or it is away for longer.
"""
