"""Pods of this node as the datapath knows them: model, memory on disk, maps, CiliumEndpoints."""
